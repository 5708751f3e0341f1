"""Plain torch modules, one architecture a file. They know no data, files or estimators."""
