"""The chores of every service, and how often each is due."""

from tillkeeper.access.operator import sweep_kept_answers, sweep_rate_cells, write_uses
from tillkeeper.access.peppers import tell_what_is_held
from tillkeeper.domains.api_keys.jobs import announce_ends
from tillkeeper.domains.audit.jobs import Sealer
from tillkeeper.domains.leaks.jobs import act_on_leaks
from tillkeeper.domains.mail.jobs import sweep_mails
from tillkeeper.domains.organizations.jobs import purge
from tillkeeper.surfaces.worker.loop import Chore

CHORES = (
    Chore("sweep kept answers", 600, sweep_kept_answers),
    Chore("sweep mail", 3600, sweep_mails),
    Chore("sweep rate cells", 300, sweep_rate_cells),
    Chore("purge organizations", 60, purge),
    Chore("announce ends of keys", 60, announce_ends),
    Chore("act on leaks", 1, act_on_leaks),
    Chore("write uses of keys", 5, write_uses, is_run_at_the_end=True),
    Chore("tell of the keys", 5, tell_what_is_held),
    Chore("seal the audit", 0.2, Sealer().run, is_run_at_the_end=True),
)
