"""What `ros2 param dump` and `ros2 param load` do, where the tool itself is not installed.

The file is written as by ros2param/verb/dump.py, and read by the function of rclpy that the tool
uses, which guesses the type of each value from its text.
"""

from __future__ import annotations

import yaml
from rclpy.parameter import parameter_dict_from_yaml_file


def dump(nodes, name):
    """The parameters of a node as YAML text."""
    tree = {}
    for key, value in nodes.parameters(name).items():
        *groups, last = key.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[last] = value
    return yaml.dump({f"/{name}": {"ros__parameters": tree}}, default_flow_style=False)


def load(nodes, name, path):
    """Load a file into a node; the result of each parameter by name."""
    messages = parameter_dict_from_yaml_file(str(path), True, target_nodes=[f"/{name}"])
    results = nodes.set_parameters(name, messages.values())
    return dict(zip(messages, results, strict=True))


def refused(results):
    """The parameters that were not set, with the reasons."""
    return {name: result.reason for name, result in results.items() if not result.successful}
