"""What a trained run gives away: copies of training examples, and who was among them."""
