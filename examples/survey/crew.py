"""Workers that take batches of files, which they get as containers. One that crashes or hangs is replaced, the file it was at is named, the rest goes on."""

import time

from Pro.Core import NTSimpleWait

from shelf import Shelf

POOR_STARTS = 3  # workers in a row that end before they are ready: it is not the files
NODE_LOST = (1506, 1509)  # numbers of a worker's end: its node was lost or cut off, whatever it was at


class Failed(Exception):
    """The survey cannot go on; the text says why."""


class Job(NTSimpleWait):
    """One worker and what it has in hand; as a wait object it hears how far the worker is."""

    def __init__(self):
        super().__init__()
        self.batch, self.at, self.percent, self.beat = None, None, 0, 0.0
        self.ready = self.late = False

    def begin(self, batch):
        self.batch, self.at, self.percent, self.beat = batch, None, 0, time.monotonic()

    def msg(self, text):
        """The file in hand as its index in the batch, and a number that changes while there is progress."""
        self.at, self.beat = int(text.split()[0]), time.monotonic()
        if self.batch:  # its result may have come already
            self.percent = self.at * 100 // len(self.batch.files)


def cause_of(end):
    """Returns why a worker ended, and the last line it wrote."""
    lines = end.output.decode("utf-8", "replace").strip().splitlines()
    return end.cause + (", its last words: %s" % lines[-1][:200] if lines else "")


class Crew:
    """manager's workers, count of them; patience: seconds that a file may take; blame(name, cause): a file ended its worker;
    check(): raises when the survey shall end."""

    def __init__(self, manager, count, patience, screen, blame, check):
        self.manager, self.count, self.patience, self.screen = manager, count, patience, screen
        self.blame, self.check = blame, check
        self.jobs, self.waits, self.poor_starts = {}, {}, 0

    def fill(self, wanted):
        """Starts workers until there are as many as wanted."""
        missing = min(wanted, self.count) - len(self.jobs)
        for worker in self.manager.startWorkers(missing) if missing > 0 else ():
            self.jobs[worker] = Job()
            self.waits[worker] = self.manager.createWaitObject(worker, self.jobs[worker])
        if not self.jobs:
            raise Failed("no worker could be started: %s" % self.manager.lastError())

    def drop(self, worker, end, shelf):
        """A worker is gone. Where it is not certain which file ended it, the batch is tried again in parts."""
        job = self.jobs.pop(worker)
        del self.waits[worker]
        innocent = end.number in NODE_LOST
        self.poor_starts = 0 if job.ready or innocent else self.poor_starts + 1
        if self.poor_starts >= POOR_STARTS:
            raise Failed("%d workers in a row ended before they were ready, the last one: %s" % (POOR_STARTS, cause_of(end)))
        batch, at = job.batch.close() if job.batch else [], job.at
        if job.late and at is None and not innocent:
            raise Failed("the script of the workers did not come to its first file in %g s" % self.patience)
        if not batch or innocent:
            parts = [batch]
        elif len(batch) == 1 or job.late:
            at = at or 0
            self.blame(batch[at], "took longer than %g s" % self.patience if job.late else cause_of(end))
            parts = [batch[:at], batch[at + 1:]]
        elif at is None:  # it died before it could say where
            parts = [batch[:len(batch) // 2], batch[len(batch) // 2:]]
        else:
            parts = [batch[:at], batch[at:at + 1], batch[at + 1:]]
        shelf.back(parts)
        return len(batch) - sum(map(len, parts))

    def watch(self, worker, job):
        """Gives a file up, with its worker, that takes longer than the patience."""
        if not job.late and time.monotonic() - job.beat > self.patience:
            job.late = True
            self.manager.abortOperation(worker, 0)

    def check_task(self, worker):
        """Raises when the task of a living worker ended without a result; a dead worker's is tried again."""
        idle = not self.manager.isWorkerBusy(worker)
        error = self.manager.takeError(worker)
        lost = idle and not self.manager.hasResults()
        if (error is not None or lost) and self.manager.isWorkerAlive(worker):
            raise Failed("the script of the workers failed: %s" % (error or "it ended without a result"))

    def turn(self, worker, job, shelf, give, take):
        """Looks after one worker. Returns how many files are done with."""
        if job.batch:
            result = self.manager.takeResult(worker)
            if result is not None:
                batch, job.batch = job.batch.close(), None
                job.percent = 100
                for index, value, error in result:
                    take(batch[index], value, error)
                return len(batch)
        if not self.manager.isWorkerAlive(worker):
            end = self.manager.workerExit(worker)  # None: what it sent last is still on its way
            return self.drop(worker, end, shelf) if end else 0
        job.ready = job.ready or self.manager.isWorkerReady(worker)
        if job.batch:
            self.check_task(worker)
            self.watch(worker, job)
        elif job.ready:  # one that waits for a place in a cluster must not keep files from the others
            batch = shelf.take()
            if batch:
                job.begin(batch)
                give(worker, batch)
        return 0

    def run(self, script, function, names, hashed, extra, take):
        """Hands out all names; hashed: name -> size of those that shall be hashed; take(name, value, error) is called for each
        file that was looked at."""
        def give(worker, batch):
            self.manager.executePythonFunction(worker, script, function, [batch.files, *extra], True)

        shelf, done = Shelf(self.manager, names, hashed, self.blame), 0
        while shelf or any(job.batch for job in self.jobs.values()):
            self.check()
            if shelf:
                self.fill(len(shelf) + sum(job.batch is not None for job in self.jobs.values()))
            for worker, job in list(self.jobs.items()):
                done += self.turn(worker, job, shelf, give, take)
            done += shelf.prepare(1)
            self.screen.show("looking: %d of %d files" % (done, len(names)),
                             ((worker, job.percent) for worker, job in self.jobs.items()))
            self.manager.wait(100)
            self.manager.processMessages()
