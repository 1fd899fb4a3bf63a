"""What researchers run: the command line, pipelines, studies, tracking, evaluation, reports and benchmarks."""
