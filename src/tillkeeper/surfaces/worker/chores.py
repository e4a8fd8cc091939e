"""The chores of every service, and how often each is due."""

from tillkeeper.access.operator import sweep_kept_answers, write_uses
from tillkeeper.domains.audit.jobs import Sealer
from tillkeeper.domains.mail.jobs import sweep_mails
from tillkeeper.domains.organizations.jobs import purge
from tillkeeper.surfaces.worker.loop import Chore

CHORES = (
    Chore("sweep kept answers", 600, sweep_kept_answers),
    Chore("sweep mail", 3600, sweep_mails),
    Chore("purge organizations", 60, purge),
    Chore("write uses of keys", 5, write_uses, is_run_at_the_end=True),
    Chore("seal the audit", 0.2, Sealer().run, is_run_at_the_end=True),
)
