"""``zonevm completion``: the script that teaches a shell to complete zonevm's command line."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from zonevm.cli.app import app


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash: eval "$(zonevm completion bash)"          in ~/.bashrc
    zsh:  eval "$(zonevm completion zsh)"           in ~/.zshrc
    fish: zonevm completion fish | source           in ~/.config/fish/config.fish
    """
    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(app, {}, "zonevm", "_ZONEVM_COMPLETE").source())
