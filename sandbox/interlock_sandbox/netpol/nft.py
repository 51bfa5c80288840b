"""Puts rules into the kernel, each text as one transaction: a failure changes nothing."""

import asyncio
import contextlib

from interlock_sandbox.netpol.compile import TABLES

TIMEOUT = 30.0  # seconds for one call of nft
_SHOWN = 4000  # characters of an error: nft repeats the failing line, which may be long


class NftError(RuntimeError):
    """nft refused a ruleset, or could not run: nothing was changed."""


async def apply(ruleset: str) -> None:
    """Runs a text. Raises NftError with nft's own words, the failing line among them."""
    code, said = await _nft("-f", "-", ruleset=ruleset)
    if code:
        raise NftError(
            f"nft refused the ruleset (exit code {code}); the rules that were in force still "
            f"are: {said[:_SHOWN]}"
        )


async def tables() -> list[str]:
    """Our tables that are in force, a predecessor's included. Raises NftError."""
    code, said = await _nft("list", "tables")
    if code:
        raise NftError(
            f"`nft list tables` ended with exit code {code}, expected the tables (is this root, "
            f"with CAP_NET_ADMIN?): {said[:_SHOWN]}"
        )
    return [table for table in TABLES if f"table {table}" in said.splitlines()]


async def _nft(*arguments: str, ruleset: str = "") -> tuple[int, str]:
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            "nft", *arguments, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
        )
    except FileNotFoundError as error:
        raise NftError(
            "There is no program nft on PATH. Install nftables (Debian: package nftables)."
        ) from error
    try:
        async with asyncio.timeout(TIMEOUT):
            said, _ = await process.communicate(ruleset.encode())
    except TimeoutError as error:
        raise NftError(f"nft did not end within {TIMEOUT:.0f} s and was stopped.") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or 0, said.decode(errors="replace").strip()
