"""The values functions see, and the stores behind them."""
