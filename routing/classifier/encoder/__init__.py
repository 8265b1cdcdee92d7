"""An optional sentence encoder behind the linear model, asked about the texts that the linear model is unsure of."""
