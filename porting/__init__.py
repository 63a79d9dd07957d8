"""Convert a network from one framework's file to another's, with a verdict and a proof."""
