"""A SOAP service over HTTP as the peer of `soap.call`; what it speaks is written down here word by word."""

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.adapters.soap import call
from integrations.contract import ConnectionSettings
from tests.support.peers.contract import SECRET, Case, Peer, settings

PASSWORD = "s3cret-of-soap"
_NS = "urn:shop"
WSDL = f"""<?xml version="1.0"?>
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:t="{_NS}" targetNamespace="{_NS}" name="Shop">
  <types><xsd:schema targetNamespace="{_NS}" elementFormDefault="qualified">
    <xsd:element name="Book"><xsd:complexType><xsd:sequence>
      <xsd:element name="word" type="xsd:string"/><xsd:element name="pieces" type="xsd:int" minOccurs="0"/>
    </xsd:sequence></xsd:complexType></xsd:element>
    <xsd:element name="BookResponse"><xsd:complexType><xsd:sequence>
      <xsd:element name="word" type="xsd:string"/><xsd:element name="total" type="xsd:decimal"/>
    </xsd:sequence></xsd:complexType></xsd:element>
    <xsd:element name="SoldOut"><xsd:complexType><xsd:sequence>
      <xsd:element name="left" type="xsd:int"/></xsd:sequence></xsd:complexType></xsd:element>
  </xsd:schema></types>
  <message name="BookIn"><part name="parameters" element="t:Book"/></message>
  <message name="BookOut"><part name="parameters" element="t:BookResponse"/></message>
  <message name="SoldOutFault"><part name="fault" element="t:SoldOut"/></message>
  <portType name="Shop"><operation name="Book"><input message="t:BookIn"/><output message="t:BookOut"/>
    <fault name="SoldOut" message="t:SoldOutFault"/></operation></portType>
  <binding name="ShopBinding" type="t:Shop">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Book"><soap:operation soapAction="urn:book"/><input><soap:body use="literal"/></input>
      <output><soap:body use="literal"/></output>
      <fault name="SoldOut"><soap:fault name="SoldOut" use="literal"/></fault>
    </operation></binding>
  <service name="ShopService"><port name="ShopPort" binding="t:ShopBinding">
    <soap:address location="http://elsewhere.example/soap"/></port></service>
</definitions>"""
_ENVELOPE = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{body}</s:Body></s:Envelope>'
_FAULT = "<s:Fault><faultcode>s:{code}</faultcode><faultstring>{text}</faultstring><detail>{detail}</detail></s:Fault>"
_SOLD_OUT = f'<SoldOut xmlns="{_NS}"><left>2</left></SoldOut>'


class Service:
    """Books each word once for each key; the word says when it is to be answered otherwise."""

    def __init__(self) -> None:
        self.booked: set[str] = set()
        self.server = HTTPServer(host="127.0.0.1", threaded=True)
        self.server.expect_request("/soap").respond_with_handler(self._answer)
        self.server.start()

    def _answer(self, request: Request) -> Response:
        login = base64.b64encode(f"shop:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {login}":
            return Response(f"who is {request.headers.get('Authorization')}?", status=401)
        if request.method == "GET":
            return Response(WSDL, content_type="text/xml")
        if request.method == "OPTIONS":
            return Response(status=405)
        word = etree.fromstring(request.data).findtext(f".//{{{_NS}}}word") or ""
        return self._booked(word, key=request.headers.get("Idempotency-Key", word))

    def _booked(self, word: str, *, key: str) -> Response:
        if word.isdecimal():
            return Response("no", status=int(word), headers={"Retry-After": "3"})
        if word == "slow":
            time.sleep(1.5)
        if word in ("Client", "Server"):
            return _xml(_FAULT.format(code=word, text=f"{word} is to blame", detail=""), status=500)
        if word == "sold-out":
            return _xml(_FAULT.format(code="Server", text="sold out", detail=_SOLD_OUT), status=500)
        if word == "large":
            word = "x" * 5_000
        self.booked.add(key)
        body = f'<BookResponse xmlns="{_NS}"><word>{escape(word)}</word><total>12.50</total></BookResponse>'
        return _xml(body, status=200)


def _xml(body: str, *, status: int) -> Response:
    return Response(_ENVELOPE.format(body=body), status=status, content_type="text/xml; charset=utf-8")


class Call(Peer):
    """`soap.call` of an operation that changes something."""

    id = "soap.call"
    adapter = call
    changes = True
    extra = "soap"
    cut_at = b"cut-here"

    @property
    def service(self) -> Service:
        """This will be the session's service."""
        return self.services.once("soap", lambda _: Service(), end=lambda service: service.server.stop())

    @property
    def port(self) -> int:
        return self.service.server.port

    def connection(self, *, port: int | None = None, **changes: object) -> ConnectionSettings:
        address = f"http://127.0.0.1:{port or self.port}/soap"
        options = {"wsdl_url": address, "user": "shop"}
        return settings(address, changes, options=options, secret_values={"password": PASSWORD})

    def given(self, **options: object) -> ConnectionSettings:
        """This will be a connection that holds the WSDL itself."""
        return self.connection(options={"wsdl": WSDL, "user": "shop", **options})

    def wrong_login(self) -> ConnectionSettings:
        return self.connection(secret_values={"password": SECRET})

    def inputs(self) -> Mapping[str, object]:
        return self.order(f"cut-here & {self.unique()}")

    def order(self, word: str, **more: object) -> Mapping[str, object]:
        """This will be the inputs that book a word."""
        return {"operation": "Book", "arguments": {"word": word, "pieces": 3, **more}, "idempotency": "header"}

    def check(self, output: Any) -> None:
        assert output["result"]["word"].startswith("cut-here & ")
        assert output["result"]["total"] == "12.50"

    def effects(self) -> int:
        return len(self.service.booked)

    def wrong(self) -> Sequence[Case]:
        works = self.connection()
        reading = WSDL.replace("<types>", '<import namespace="urn:x" location="/etc/passwd"/><types>')
        return (
            Case(inputs={"operation": "None"}, connection=works, says="it has Book"),
            Case(inputs=self.order("a", colour="red"), connection=works, says="colour"),
            Case(inputs=self.order("Client"), connection=works, says="fault Client"),
            Case(inputs=self.order("sold-out"), connection=works, says="sold out"),
            Case(inputs=self.order("a"), connection=self.given(service="None"), says="it has ShopService"),
            Case(inputs=self.order("a"), connection=self.given(wsdl="<nothing/>"), says="no service"),
            Case(inputs=self.order("a"), connection=self.given(wsdl=reading), says="/etc/passwd"),
        )

    def throttled(self) -> Iterator[Case]:
        yield Case(inputs=self.order("429"), connection=self.connection())

    def too_large(self) -> Case:
        return Case(inputs=self.order("large"), connection=self.given_small(), says="4000 bytes")

    def given_small(self) -> ConnectionSettings:
        """This will be a connection whose answers have 4,000 bytes at most."""
        options = {"wsdl": WSDL, "user": "shop"}
        return self.connection(options=options, max_response_bytes=4_000)
