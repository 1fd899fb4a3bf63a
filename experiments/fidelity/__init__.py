"""How true the fast twin is: both twins live through the same scenarios on the same luck, and are compared."""
