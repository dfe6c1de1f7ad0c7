"""The column contracts of the tables between stages: one module per table, checked at every write and read."""
