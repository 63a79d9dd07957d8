"""Studies behind the documentation: false alarms, overhead, peers, published figures."""
