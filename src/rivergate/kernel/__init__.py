"""Everything that consumes the log: transactor (log → log), sink (log → database), performer (log → world)."""
