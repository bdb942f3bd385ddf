"""The broker: gives every channel one order of events and hands each to every worker that has subscribers."""
