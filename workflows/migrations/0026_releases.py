"""Releases: which versions the starts of a workflow get. What is published is in use for all."""

import django.db.models.deletion
from django.db import migrations, models

ADOPT = """
select setval(pg_get_serial_sequence('workflows_release', 'id'),
    (select coalesce(max(number), 0) + 1 from workflows_workflowversion));
with release as (
    insert into workflows_release (workflow_id, version_id, canary_percent, cause, reason, began_at, began_by)
    select workflow.id, version.id, 0, 'published', '', version.published_at, version.published_by
    from workflows_workflow as workflow
    join workflows_workflowversion as version
        on version.workflow_id = workflow.id and version.number = workflow.latest_number
    returning id, workflow_id
)
update workflows_workflow set release_id = release.id from release where workflow_id = workflows_workflow.id;
set constraints all immediate;
set constraints all deferred;
"""
# Ids begin above the numbers of versions: gates compare them with what they have from before.


class Migration(migrations.Migration):
    dependencies = [
        ("workflows", "0025_grown_plans"),
    ]

    operations = [
        migrations.CreateModel(
            name="Release",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "canary_percent",
                    models.FloatField(default=0.0, help_text="The share of starts that the canary gets."),
                ),
                (
                    "canary_since",
                    models.DateTimeField(help_text="When its trial began; a changed share keeps it.", null=True),
                ),
                (
                    "failed_percent",
                    models.FloatField(help_text="So many failures roll the canary back by themselves.", null=True),
                ),
                (
                    "after_runs",
                    models.PositiveIntegerField(help_text="When so many of its runs have ended.", null=True),
                ),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("published", "published"),
                            ("canary_begun", "canary_begun"),
                            ("canary_changed", "canary_changed"),
                            ("promoted", "promoted"),
                            ("rolled_back", "rolled_back"),
                            ("chosen", "chosen"),
                        ],
                        max_length=20,
                    ),
                ),
                ("reason", models.CharField(blank=True, default="", max_length=1000)),
                ("began_at", models.DateTimeField()),
                ("began_by", models.CharField(help_text="The actor, as kind:id.", max_length=200)),
                (
                    "canary",
                    models.ForeignKey(
                        help_text="On trial.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="workflows.workflowversion",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        help_text="What starts get.",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="workflows.workflowversion",
                    ),
                ),
                (
                    "workflow",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="releases", to="workflows.workflow"
                    ),
                ),
            ],
            options={
                "ordering": ("-id",),
            },
        ),
        migrations.AddField(
            model_name="workflow",
            name="release",
            field=models.OneToOneField(
                help_text="Which versions starts get.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="workflows.release",
            ),
        ),
        migrations.RunSQL(ADOPT, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="release",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("canary__isnull", True), ("canary_since__isnull", True)),
                    models.Q(
                        ("canary__isnull", False),
                        ("canary_since__isnull", False),
                        models.Q(("canary", models.F("version")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="release_canary_is_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=models.CheckConstraint(
                condition=models.Q(("canary_percent__gte", 0), ("canary_percent__lte", 100)),
                name="release_percent_in_range",
            ),
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("after_runs__isnull", True), ("failed_percent__isnull", True)),
                    models.Q(("after_runs__isnull", False), ("failed_percent__isnull", False)),
                    _connector="OR",
                ),
                name="release_rule_is_whole",
            ),
        ),
    ]
