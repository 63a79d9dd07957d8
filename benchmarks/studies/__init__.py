"""Studies behind the documentation: false alarms, adapter overhead, other libraries, published figures."""
