"""What passes between the program and its terminal: text that is safe to show, writing that never fails, signals."""
