"""Games about codes: encoders beside the generator, or codes that a discriminator reads back."""
