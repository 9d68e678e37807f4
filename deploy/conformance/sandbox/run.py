"""A run: is it safe to begin, the questions one by one, and always the clean-up."""

import json
import os
import shlex
import signal
import sys
from datetime import datetime, timezone
from pathlib import Path

import botocore
from botocore.parsers import ResponseParserError

from . import clean, cost, find, journal, naming, plan, question, report
from .aws import Aws, Place
from .faults import Misuse, Unanswered, brief
from .lab import LACKING, Lab

# Exit statuses; README.md explains them.
UNANSWERED, MISUSE, UNSEEN, LEFT_OVERS, LEFT, INTERRUPTED = 3, 10, 11, 12, 20, 130
# The largest image that --image may name, in GiB: the bound counts it, and one CopyObject copies at most
# 5 GB.
LARGEST = 4
INTERRUPTION = "interrupted: cleaning up; a second interrupt leaves things behind"


def say(text):
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)


def places_of(args):
    """The four places: each account in each Region."""
    if args.source_account == args.vault_account:
        raise Misuse("--source-account and --vault-account are the same: use two throw-away accounts",
                     status=11)
    if args.source_region == args.vault_region:
        raise Misuse("--source-region and --vault-region are the same: some questions need two")
    return {
        "source": Place("source", args.source_account, args.source_region),
        "vault": Place("vault", args.vault_account, args.vault_region),
        "near": Place("vault", args.vault_account, args.source_region),
        "far": Place("source", args.source_account, args.vault_region),
    }


def connect(args):
    """Clients and places, once STS has confirmed both accounts."""
    overrides = sorted(name for name in os.environ if name.startswith("AWS_ENDPOINT_URL"))
    if overrides:
        raise Misuse(f"{', '.join(overrides)} is set: unset it, and use --endpoint-url for a simulated AWS")
    places = places_of(args)
    aws = Aws({"source": args.source_profile, "vault": args.vault_profile}, args.endpoint_url)
    for role in ("source", "vault"):
        account, arn = aws.caller(role, places[role].region)
        if account != places[role].account:
            raise Misuse(f"--{role}-profile is {arn} of account {account}, not of --{role}-account "
                         f"{places[role].account}", status=11)
    return aws, places


def chosen(args):
    """The questions to ask, and those that are only asked by name."""
    from . import questions  # noqa: F401  (registers them)

    try:
        asked = question.choose(question.REGISTERED, args.only, args.skip)
    except ValueError as error:
        raise Misuse(str(error)) from error
    unasked = [one for one in question.REGISTERED if one.by_name_only and one not in asked]
    return asked, unasked


def gib_of(args):
    """The size of images that the bound counts with."""
    return LARGEST if args.image else 1


def ask(args, clock):
    """The command `ask`; gives the exit status."""
    asked, unasked = chosen(args)
    table = cost.prices()
    bound = plan.total(asked, gib_of(args), table)
    if not args.yes:
        print(plan.text(asked, unasked, gib_of(args), table, args.max_cost), end="")
        print("Nothing was called and nothing changed. With --yes it " + (
            "is refused: the bound is above --max-cost." if bound > args.max_cost else "runs."))
        return 0
    if bound > args.max_cost:
        raise Misuse(f"the questions may cost ${bound:.2f}, more than --max-cost {args.max_cost:.2f}: "
                     "leave some out with --skip, or raise it")
    run = naming.new_run()
    folder = Path(args.output or f"{naming.PREFIX}-{run}")
    refuse_unwritable(folder)
    aws, places = connect(args)
    refuse_left_overs(args, aws, list(places.values()))
    if args.image:
        refuse_large(aws, places["source"], args.image)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        book = journal.Journal(folder / f"journal-{run}.jsonl", run, places.values())
    except OSError as error:
        raise unwritable(folder, error) from error
    say(f"run {run}: {plan.count(len(asked), 'question')}, at most ${bound:.2f}; the journal is {book.path}")
    lab = Lab(aws, places, book, clock, run, image=args.image, patience=args.patience)
    interruptible()
    results, interrupted = [], False
    left, problems = [], ["the clean-up did not end"]
    try:
        try:
            for one in asked:
                results.append(answered(lab, one))
        except KeyboardInterrupt:
            interrupted = True
            say(INTERRUPTION)
        while True:
            try:
                left, problems = clean.clean(aws, list(places.values()), run, clock, args.patience, say)
                break
            except KeyboardInterrupt:
                if interrupted:
                    left, problems = ["the clean-up was interrupted"], []
                    break
                interrupted = True
                say(INTERRUPTION)
    finally:
        book.cleaned(left + problems)
        book.close()
        status = finish(args, run, places, asked, results, (left, problems), interrupted, folder)
    return status


def unwritable(folder, why):
    """What a folder is refused with."""
    return Misuse(f"--output {folder}: {why}; name a folder that can be written")


def refuse_unwritable(folder):
    """Refuses a folder that cannot be made or written, without making it: the run may be refused yet."""
    try:
        there = next(one for one in (folder, *folder.parents) if one.exists())
    except OSError as error:
        raise unwritable(folder, error) from error
    if not there.is_dir():
        raise unwritable(folder, f"{there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise unwritable(folder, f"{there} may not be written")


def interruptible():
    """Makes a request to end, and a closed terminal, the same as Ctrl-C."""
    for one in (signal.SIGTERM, signal.SIGHUP):
        # nohup asks to go on without the terminal.
        if signal.getsignal(one) is not signal.SIG_IGN:
            signal.signal(one, signal.default_int_handler)


def answered(lab, one):
    """Asks one question; whatever goes wrong is its cause, and the others go on."""
    say(f"{one.id}: {one.asks}")
    result = {"id": one.id, "group": one.group, "asks": one.asks, "switches": list(one.settings)}
    try:
        answer = one.ask(lab)
    except Unanswered as cause:
        result |= {"status": "not answered", "cause": brief(cause)}
    except ResponseParserError:
        result |= {"status": "not answered", "cause": LACKING}
    except Exception as error:  # a question that breaks must not cost the answers of the others
        result |= {"status": "not answered", "cause": f"{type(error).__name__}: {brief(error)}"}
    else:
        result |= {"status": "answered", "says": answer.says, "settings": answer.settings,
                   "open": answer.open, "facts": answer.facts}
        if answer.missing:
            result |= {"status": "answered in part", "cause": "; ".join(answer.missing)}
    for line in (result.get("says"), "cause" in result and f"not answered: {result['cause']}"):
        if line:
            say(f"  {line}")
    return result


def finish(args, run, places, asked, results, remains, interrupted, folder):
    """Writes the files, prints the settings file, and gives the exit status."""
    left, problems = remains
    at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    endpoint = args.endpoint_url or "AWS"
    ended = {result["id"] for result in results}
    results += [{"id": one.id, "group": one.group, "asks": one.asks, "switches": list(one.settings),
                 "status": "not answered", "cause": "the run was interrupted"}
                for one in asked if one.id not in ended]
    whole = {"run": run, "at": at, "endpoint": endpoint, "source": str(places["source"]),
             "vault": str(places["vault"]), "botocore": botocore.__version__, "questions": results,
             "left": left, "problems": problems}
    settings = report.settings_of(results)
    toml = report.settings_file(settings, [
        f"What {endpoint} showed on {at}, source {places['source']}, vault {places['vault']}, run {run}.",
        "A scenario for `amiferry sim serve --scenario`: settings that are not here were not answered.",
    ])
    as_json = json.dumps(whole, indent=2, default=str) + "\n"
    for name, content in (("settings.toml", toml), ("report.json", as_json),
                          ("report.txt", report.text(whole))):
        (folder / name).write_text(content, encoding="utf-8")
    print(toml, end="")
    say(f"report.txt, report.json and settings.toml are in {folder}")
    if left or problems:
        for one in left + problems:
            say(f"LEFT: {one}")
        say(f"clean up with: {command(args, run)} --yes")
        return LEFT
    if interrupted:
        return INTERRUPTED
    return UNANSWERED if any(result["status"] != "answered" for result in results) else 0


def command(args, run=None):
    """The command that shows what a run left, or what all runs left, for a shell in this folder."""
    words = [sys.executable or "python3", sys.argv[0], "clean"] + (["--run", run] if run else [])
    for name in ("source_profile", "vault_profile", "source_account", "vault_account", "source_region",
                 "vault_region", "endpoint_url"):
        if getattr(args, name):
            words += [f"--{name.replace('_', '-')}", getattr(args, name)]
    return shlex.join(words)


def refuse_left_overs(args, aws, places):
    """Refuses to begin while anything with our prefix exists, or where that cannot be seen."""
    items, problems = find.find(aws, places)
    if problems:
        raise Misuse("; ".join(problems), status=UNSEEN)
    if items:
        listed = "\n  ".join(str(item) for item in items)
        raise Misuse(f"these were made by another run, or not by this tool at all:\n  {listed}\n"
                     "This shows what runs left, and with --yes removes it:\n"
                     f"  {command(args)}", status=LEFT_OVERS)


def refuse_large(aws, source, image):
    """Refuses an image that the bound does not cover."""
    refusal = None
    try:
        images = aws.at("ec2", source).describe_images(ImageIds=[image], Owners=["self"])["Images"]
    except find.FAILURES as error:
        refusal, images = str(error), []
    sizes = [device["Ebs"].get("VolumeSize", 0) for found in images
             for device in found["BlockDeviceMappings"] if "Ebs" in device]
    if len(sizes) != 1 or sum(sizes) > LARGEST:
        raise Misuse(f"--image {image}: {refusal or f'volumes of {sizes} GiB'}; give an own image with one "
                     f"volume of at most {LARGEST} GiB", status=12)


def run_of_journal(args):
    """The run of --journal, if the options name all accounts and Regions that it touched."""
    try:
        run, entries = journal.read(args.journal)
    except (OSError, ValueError) as error:
        raise Misuse(f"--journal: {error}") from error
    touched = journal.touched(entries)
    if touched != {(place.account, place.region) for place in places_of(args).values()}:
        raise Misuse(f"--journal: run {run} touched {', '.join('/'.join(one) for one in sorted(touched))}; "
                     "give these accounts and Regions")
    return run


def clean_up(args, clock):
    """The command `clean`; gives the exit status."""
    run = run_of_journal(args) if args.journal else args.run
    if run is not None and not naming.is_run(run):
        raise Misuse(f"--run {run}: a run id has ten hexadecimal digits")
    aws, places = connect(args)
    scope = list(places.values())
    items, problems = find.find(aws, scope, run)
    strangers = [item for item in items if item.run is None]
    runs = sorted({item.run for item in items} - {None})
    for item in items:
        print(f"{item.run or 'no run'}  {item}" + ("" if item.run else "  (not deleted)"))
    if not args.yes:
        for one in problems:
            say(f"LEFT: {one}")
        if runs:
            print("Nothing was changed. With --yes " + (
                "what names a run is deleted." if strangers else "these are deleted."))
        elif not problems:
            print("There is nothing to delete.")
        return UNSEEN if problems else 0
    left, cleaned = [], 0
    interruptible()
    try:
        for one in runs:
            rest, more = clean.clean(aws, scope, one, clock, args.patience, say)
            cleaned += not rest and not more
            left, problems = left + rest, problems + more
    except KeyboardInterrupt:
        left.append("the clean-up was interrupted")
    for one in dict.fromkeys(left + problems):
        say(f"LEFT: {one}")
    say(f"{cleaned} of {plan.count(len(runs), 'run')} cleaned up; "
        f"{plan.count(len(strangers), 'thing')} with our prefix and of no run left alone")
    if not left and not problems:
        return 0
    say(f"clean up with: {command(args, run)} --yes")
    return LEFT
