"""Pages through long tables without counting them; it never looks further than its cap."""

from functools import cached_property

from django.core.paginator import Paginator
from django.db.models import QuerySet

CAP = 10_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Counts at most `CAP` rows: whoever needs older ones narrows the list down."""

    template_name = "workflows/pagination.html"

    @cached_property
    def count(self) -> int:
        """This will give the number of rows, or the cap when there are more."""
        return min(self._seen, CAP)

    @cached_property
    def is_capped(self) -> bool:
        """This will tell whether there are more rows than it pages through."""
        return self._seen > CAP

    @cached_property
    def _seen(self) -> int:
        rows = self.object_list
        if not isinstance(rows, QuerySet):
            return len(rows)
        return rows.order_by()[: CAP + 1].count()
