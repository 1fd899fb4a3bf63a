"""Who decides: baselines, hierarchical PPO, perception, export. Knows Diagnosis and the environment."""
