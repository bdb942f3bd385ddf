"""The files an operator installs agree with the code and with each other, and nginx does as they say."""
