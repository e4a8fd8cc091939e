"""The chores of every service, and how often each is due."""

from tillkeeper.access.operator import sweep_kept_answers, sweep_rate_cells, write_uses
from tillkeeper.access.peppers import tell_what_is_held
from tillkeeper.domains.api_keys.jobs import announce_ends
from tillkeeper.domains.audit.jobs import Sealer
from tillkeeper.domains.exports.jobs import EXPORT, tidy_exports
from tillkeeper.domains.jobs.queries import sweep_log
from tillkeeper.domains.leaks.jobs import act_on_leaks
from tillkeeper.domains.mail.jobs import sweep_mails
from tillkeeper.domains.organizations.jobs import purge
from tillkeeper.domains.tss.jobs import sweep
from tillkeeper.surfaces.worker.loop import Chore

CHORES = (
    Chore("sweep kept answers", 600, sweep_kept_answers),
    Chore("sweep mail", 3600, sweep_mails),
    Chore("sweep rate cells", 300, sweep_rate_cells),
    Chore("sweep the log of jobs", 3600, sweep_log),
    Chore("tidy exports", 60, tidy_exports),
    Chore("purge organizations", 60, purge),
    Chore("announce ends of keys", 60, announce_ends),
    Chore("act on leaks", 1, act_on_leaks),
    Chore("sweep TSS", 3600, sweep),
    Chore("write uses of keys", 5, write_uses, is_run_at_the_end=True),
    Chore("tell of the keys", 5, tell_what_is_held),
    Chore("seal the audit", 0.2, Sealer().run, is_run_at_the_end=True),
)
KINDS = (EXPORT,)
"""The jobs that every service does."""
