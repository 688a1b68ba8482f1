"""The query node with doubles for models, as a program."""

from helpers.node_doubles import run
from om3d_ros.query_node import main

if __name__ == "__main__":
    run(main)
