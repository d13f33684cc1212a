"""From words on the command line to objects: search path, schemas, instantiation, and mistakes explained."""
