"""A secret of a connection, planted anywhere in what comes back, in any shape, never comes out."""

import json

from hypothesis import given
from hypothesis import strategies as st

from integrations import credentials, masking
from integrations.contract import ConnectionSettings
from integrations.errors import Refused

around = st.text(alphabet="·,: \n", max_size=5)
plain = st.from_regex(r"[A-Za-z0-9/+=%&!~\"\\äß-]{6,30}", fullmatch=True)


@st.composite
def planted(draw: st.DrawFn) -> tuple[str, object]:
    """This will be a secret, and a document with it in many places and shapes."""
    secret = draw(plain)
    shapes = st.sampled_from(credentials.shapes(secret))
    texts = st.builds(lambda before, shape, after: f"{before}{shape}{after}", around, shapes, around)
    leaves = texts | st.integers() | st.booleans() | st.none()
    inner = st.recursive(
        leaves, lambda child: st.lists(child, max_size=4) | st.dictionaries(texts, child, max_size=4), max_leaves=12
    )
    return secret, [draw(texts), draw(inner)]


def settings_of(secret: str) -> ConnectionSettings:
    """This will be a connection that sends a secret."""
    return ConnectionSettings(name="shop", base_url="https://shop.example", secrets=credentials.shapes(secret))


@given(case=planted())
def test_no_output_and_no_failure_holds_a_planted_secret(case: tuple[str, object]) -> None:
    secret, document = case
    failed = Refused(f"no: {json.dumps(document)} {document}", evidence={"body": document, secret: "x"})

    output = masking.output(document, settings=settings_of(secret))
    masking.failure(failed, settings=settings_of(secret))

    told = [json.dumps(output, ensure_ascii=False), failed.message, str(failed), json.dumps(failed.evidence)]
    for shape in credentials.shapes(secret):
        assert [shape in text for text in told] == [False] * 4


@given(document=st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=8), secret=plain)
def test_what_holds_no_secret_stays_as_it_is(document: object, secret: str) -> None:
    if secret not in json.dumps(document, ensure_ascii=False):
        assert masking.output(document, settings=settings_of(secret)) == document
