"""Program that forwards a Unix socket to the job server of a cluster's head, over ssh as Ray calls it.

`python -m lookahead_ray.entrypoints.submit.forward CLUSTER_FILE SOCKET` runs until it is stopped. `ray
dashboard` does the same with a TCP port, which any user of this machine can occupy before ssh does.
"""

import sys

HEADS_PORT = 8265


def main(cluster: str, socket: str) -> None:
    """Forward `socket`; exit with Ray's reason in the last line of the output if that fails."""
    import click
    from ray.autoscaler._private.commands import exec_cluster

    try:
        # ssh's option -L takes a path too
        exec_cluster(cluster, port_forward=[(socket, HEADS_PORT)])  # type: ignore[list-item]
    except click.ClickException:  # Ray has printed the reason
        sys.exit(1)
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
