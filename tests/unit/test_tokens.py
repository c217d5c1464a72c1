"""The secret part of API tokens."""

import hashlib

from automation import token_secret
from workflows.access import Scope, is_granted


def test_mint_never_gives_the_same_token_twice() -> None:
    tokens = {token_secret.mint() for _ in range(1000)}

    assert len(tokens) == 1000
    assert all(token_secret.is_token(token) for token in tokens)


def test_digest_is_sha256_of_the_whole_token() -> None:
    token = token_secret.mint()

    assert token_secret.digest_of(token) == hashlib.sha256(token.encode()).hexdigest()


def test_prefix_tells_nothing_of_the_secret() -> None:
    token = token_secret.mint()

    assert token.startswith(token_secret.prefix_of(token) + "_")
    assert len(token_secret.prefix_of(token)) == 12


def test_is_token_refuses_what_is_longer_or_holds_other_characters() -> None:
    token = token_secret.mint()

    assert not token_secret.is_token(token + "x")
    assert not token_secret.is_token(token + "\n")
    assert not token_secret.is_token(token.replace("aut_", "aux_"))
    assert not token_secret.is_token("")


def test_admin_scope_includes_every_other_scope() -> None:
    assert all(is_granted(scope, granted=["admin"]) for scope in Scope)


def test_a_scope_grants_itself_alone() -> None:
    granted = [scope for scope in Scope if is_granted(scope, granted=["runs:write"])]

    assert granted == [Scope.RUNS_WRITE]
