"""The SQL that router owns: tables, their migrations, and the adapters of its ports. Nobody else reads it."""
