"""All peers; a new adapter adds one line, and the contract suite holds it to everything."""

from tests.support.peers import (
    amqp,
    browser,
    files,
    github,
    grpc,
    http,
    hubspot,
    mail,
    rest,
    s3,
    salesforce,
    slack,
    soap,
    sql,
    ssh,
    stripe,
)
from tests.support.peers.contract import Peer, Services

PEERS: tuple[type[Peer], ...] = (
    http.Request,
    sql.PostgresQuery,
    sql.MariaDBQuery,
    sql.PostgresExecute,
    sql.MariaDBExecute,
    ssh.Run,
    ssh.Get,
    ssh.Put,
    grpc.Call,
    mail.Send,
    files.Read,
    files.Write,
    files.Listing,
    s3.Get,
    s3.Put,
    s3.Listing,
    amqp.Publish,
    amqp.Get,
    soap.Call,
    rest.Call,
    browser.Run,
    stripe.CreatePayment,
    stripe.CapturePayment,
    stripe.CancelPayment,
    stripe.Refund,
    stripe.GetPayment,
    stripe.ListObjects,
    github.CreateIssue,
    github.Comment,
    github.DispatchWorkflow,
    github.SetStatus,
    github.ListIssues,
    salesforce.Upsert,
    salesforce.Delete,
    salesforce.Query,
    hubspot.Upsert,
    hubspot.UpsertContact,
    hubspot.CreateDeal,
    hubspot.CreateDealByKey,
    hubspot.Associate,
    hubspot.Get,
    hubspot.ListRecords,
    slack.PostMessage,
    slack.AnswerMessage,
    slack.UpdateMessage,
    slack.DeleteMessage,
)


def find(name: str, *, services: Services) -> Peer:
    """This will give the session's peer of that id, started when it is wanted first."""
    (wanted,) = (peer for peer in PEERS if peer.id == name)
    made: Peer = services.once(name, lambda _: wanted(services))
    return made
