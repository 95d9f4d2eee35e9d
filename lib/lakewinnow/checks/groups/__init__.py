"""Groups of rows that the classifier does badly on."""
