"""Call each framework without an adapter, to time what the adapter adds."""
