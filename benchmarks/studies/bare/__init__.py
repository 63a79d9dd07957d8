"""Call each framework without an adapter, to measure the adapter's overhead."""
