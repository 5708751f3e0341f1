"""Commands that train the weights that come with the package, through its public API."""
