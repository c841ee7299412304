"""Builds every service once and hands them to the tabs, the pages and the CLI."""

from __future__ import annotations

from dataclasses import dataclass

from studio.access.audit import AuditService
from studio.access.links import LinkService
from studio.access.users import UserService
from studio.backup import BackupService
from studio.data.doctor_service import DoctorService
from studio.data.drafts import DraftService
from studio.data.edits import EditService
from studio.data.export_service import ExportService
from studio.data.hub_data import HubDataService
from studio.data.lens_service import LensService
from studio.data.mix import MixService
from studio.data.service import DataService
from studio.data.splits import SplitService
from studio.db import Database
from studio.engine.chats import ChatService
from studio.engine.conversations import Conversations
from studio.engine.demo import DemoService
from studio.engine.manager import EngineManager
from studio.jobs.queue import JobService
from studio.models.catalogue import ModelService
from studio.purge import PurgeService
from studio.settings import Settings
from studio.storage import StorageService
from studio.system import SystemService
from studio.train.plan import PlanService
from studio.train.service import TrainService
from studio.train.shelf import ShelfService
from studio.train.story import StoryService
from studio.train.sweeps import SweepService

__all__ = ["Services", "build_services"]


@dataclass(frozen=True)
class Services:
    settings: Settings
    db: Database
    users: UserService
    links: LinkService
    data: DataService
    drafts: DraftService
    hub_data: HubDataService
    lens: LensService
    edits: EditService
    doctor: DoctorService
    exports: ExportService
    splits: SplitService
    mixes: MixService
    models: ModelService
    jobs: JobService
    train: TrainService
    plan: PlanService
    sweeps: SweepService
    story: StoryService
    shelf: ShelfService
    engines: EngineManager
    chats: ChatService
    demo: DemoService
    system: SystemService
    storage: StorageService
    backup: BackupService
    audit: AuditService
    purge: PurgeService

    def close(self) -> None:
        self.chats.close()
        self.db.close()


def build_services(settings: Settings) -> Services:
    db = Database(settings.url)
    data, models, jobs = DataService(db, settings), ModelService(db, settings), JobService(db, settings)
    engines = EngineManager(db, settings)
    links = LinkService(db)
    edits = EditService(db, settings)
    train = TrainService(db, settings, data, models, jobs)
    story = StoryService(db, data, models, jobs, train)
    conversations = Conversations(db, settings, engines, links.is_open)
    return Services(
        settings=settings,
        db=db,
        users=UserService(db),
        links=links,
        data=data,
        drafts=DraftService(db, settings, data),
        hub_data=HubDataService(db, settings),
        lens=LensService(db, settings),
        edits=edits,
        doctor=DoctorService(db, settings, edits),
        exports=ExportService(db, settings),
        splits=SplitService(db, settings),
        mixes=MixService(db, settings),
        models=models,
        jobs=jobs,
        train=train,
        plan=PlanService(db, settings, data, models, train),
        sweeps=SweepService(db, train, jobs),
        story=story,
        shelf=ShelfService(db, settings, models, train, story),
        engines=engines,
        chats=ChatService(db, conversations),
        demo=DemoService(db, links, conversations),
        system=SystemService(db, settings),
        storage=StorageService(db, settings),
        backup=BackupService(settings),
        audit=AuditService(db, settings),
        purge=PurgeService(db, settings),
    )
