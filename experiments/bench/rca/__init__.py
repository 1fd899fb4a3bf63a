"""The root-cause benchmark: cases from suites, methods on cases, scores with intervals, the study's findings tested."""
