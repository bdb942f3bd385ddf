"""Builders of the parts that are chosen by the settings; the composition root calls them."""
