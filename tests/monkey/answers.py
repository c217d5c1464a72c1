"""The moves of people who are asked, and of systems that send events: answer, take, give back, delegate, publish."""

from uuid import uuid4

from tests.monkey import catalogue
from tests.monkey.world import World
from workflows import operations
from workflows.core.correlation import NewEvent
from workflows.core.voting import Choice, RequestKind
from workflows.human_rights import Person
from workflows.models import HumanRequest


def publish(world: World) -> None:
    """This will publish the event that a run may wait for, or will; perhaps the same again."""
    if run_id := world.any_run():
        world.tell("event for", run_id)
        event = NewEvent(id=uuid4().hex, source="/monkey", type=catalogue.EVENT, key=str(run_id))
        for _ in range(world.dice.randint(1, 2)):
            world.attempt(lambda **now: operations.publish_event(event, **now))


def answer(world: World) -> None:
    """This will have somebody answer what is asked, who may be nobody to answer."""
    asked = list(world.requests())
    if asked:
        request = world.dice.choice(asked)
        person = world.dice.choice(world.persons)
        choice = world.dice.choice([Choice.APPROVE, Choice.APPROVE, Choice.REJECT])
        if request.kind == RequestKind.TASK:
            choice = Choice.COMPLETE
        world.tell(f"{choice} request {request.id} by {person.id}", request.run_id)
        decide(world, request, person=person, choice=choice)


def take(world: World) -> None:
    """This will have somebody take a task, or try to."""
    _handle(world, "take", operations.claim)


def give_back(world: World) -> None:
    """This will have somebody give a task back, or try to."""
    _handle(world, "give back", operations.unclaim)


def delegate(world: World) -> None:
    """This will have somebody hand his say to somebody else, if he has one."""
    asked = list(world.requests())
    if asked:
        giver, taker = world.dice.sample(world.persons, 2)
        request = world.dice.choice(asked)
        world.tell(f"delegate request {request.id} from {giver.id} to {taker.id}", request.run_id)
        given = operations.Handover(taker=taker, via="test")
        world.attempt(operations.delegate, request_id=request.id, giver=giver, given=given)


def decide(world: World, request: HumanRequest, *, person: Person, choice: Choice) -> None:
    """This will answer a request, and note what was taken down."""
    given = operations.Answer(choice=choice, via="test")
    if world.attempt(operations.answer, request_id=request.id, person=person, given=given):
        world.book.answered(request.id, person=person.name, decision=choice)


def _handle(world: World, word: str, operation: object) -> None:
    tasks = list(world.requests().filter(kind=RequestKind.TASK))
    if tasks:
        task, person = world.dice.choice(tasks), world.dice.choice(world.persons)
        world.tell(f"{word} task {task.id} by {person.id}", task.run_id)
        world.attempt(operation, request_id=task.id, person=person)  # type: ignore[arg-type]  # one of two operations
