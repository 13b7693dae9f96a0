"""The verbs: a file each, or a package for one of many parts; ``cli/app.py`` lists them."""
