"""Unit tests of the parts of deploy/conformance that call nothing.

    python tests/conformance/sandbox_pure.py
"""

import contextlib
import io
import os
import shlex
import sys
import tempfile
import tomllib
import unittest
from argparse import Namespace
from pathlib import Path
from unittest import mock

FOLDER = Path(__file__).resolve().parents[2] / "deploy/conformance"
sys.path.insert(0, str(FOLDER))

import botocore.loaders  # noqa: E402
import conformance  # noqa: E402
from sandbox import aws, clean, cost, find, journal, naming, plan, question, report, run  # noqa: E402
from sandbox import questions  # noqa: E402, F401  (registers them)
from sandbox.cost import Usage  # noqa: E402
from sandbox.faults import Misuse, Unanswered  # noqa: E402

PLACE = aws.Place("source", "111111111111", "us-east-1")
FLAT = dict.fromkeys(cost.prices(), 1.0)


class Costs(unittest.TestCase):
    def test_every_unit_of_usage_has_a_price_above_zero(self):
        table = cost.prices()
        for unit in Usage.__dataclass_fields__:
            self.assertGreater(cost.bound(Usage(**{unit: 1}), table), 0, unit)

    def test_the_bound_of_a_plan_is_the_sum_of_its_questions(self):
        asked = question.REGISTERED
        parts = [plan.total([one], 1, FLAT) for one in asked]
        self.assertAlmostEqual(plan.total(asked, 1, FLAT), sum(parts))
        self.assertTrue(all(part > 0 for part in parts))

    def test_a_larger_image_never_costs_less(self):
        for one in question.REGISTERED:
            self.assertLessEqual(plan.total([one], 1, FLAT), plan.total([one], run.LARGEST, FLAT), one.id)

    def test_the_largest_image_is_one_that_s3_copies_in_one_call(self):
        self.assertLessEqual(run.LARGEST << 30, 5_000_000_000)

    def test_transfer_counts_tenfold(self):
        self.assertAlmostEqual(cost.bound(Usage(transfer=2), {"transfer": 0.5}), 10)

    def test_a_store_of_a_gib_costs_its_object_for_a_day_and_every_block_threefold(self):
        table = {"objects": 0.5, "read": 0.25, "requests": 0.001}
        self.assertAlmostEqual(cost.bound(Usage.store(2), table), 3 * (2 * 0.5 + 2 * 0.25 + 200 * 0.001))

    def test_what_is_asked_without_being_named_costs_less_than_the_default_limit(self):
        asked = question.choose(question.REGISTERED, [], [])
        self.assertLess(plan.total(asked, 1, cost.prices()), 5)

    def test_a_question_that_stores_or_restores_counts_that(self):
        for one in question.REGISTERED:
            usage = one.usage(1)
            if "ec2:CreateStoreImageTask" in one.calls:
                refusals_only = one.id in ("bucket-codes", "unsupported-image")
                self.assertEqual(usage.objects > 0, not refusals_only, one.id)
            if any("image" in made for made in one.makes):
                self.assertGreater(usage.snapshots, 0, one.id)


class Choice(unittest.TestCase):
    def ids(self, only=(), skip=()):
        return {one.id for one in question.choose(question.REGISTERED, list(only), list(skip))}

    def test_a_question_of_dollars_is_asked_only_by_its_own_name(self):
        self.assertNotIn("store-quota", self.ids())
        self.assertNotIn("store-quota", self.ids(only=["quotas"]))
        self.assertEqual(self.ids(only=["store-quota"]), {"store-quota"})

    def test_groups_and_ids_can_be_asked_and_skipped(self):
        self.assertEqual(self.ids(only=["queues"]), {"stale-handles", "short-polls"})
        self.assertEqual(self.ids(only=["queues"], skip=["short-polls"]), {"stale-handles"})
        self.assertNotIn("names", self.ids(skip=["restore"]))

    def test_an_unknown_name_is_refused_with_those_there_are(self):
        with self.assertRaisesRegex(ValueError, "no question or group is called spelling.*store"):
            self.ids(skip=["spelling"])

    def test_every_setting_belongs_to_one_question_and_every_id_is_unique(self):
        settings = [setting for one in question.REGISTERED for setting in one.settings]
        self.assertEqual(len(settings), len(set(settings)))
        ids = [one.id for one in question.REGISTERED]
        self.assertEqual(len(ids), len(set(ids)))

    def test_the_readme_lists_every_question_with_what_it_sets(self):
        lines = (FOLDER / "README.md").read_text().splitlines()
        for one in question.REGISTERED:
            [row] = [line for line in lines if line.startswith(f"| `{one.id}` |")]
            for setting in one.settings:
                self.assertIn(f"`{setting}`", row)
        rows = lines[lines.index("| question | asks | sets |") + 2:]
        self.assertEqual(rows.index(""), len(question.REGISTERED))


    def test_every_command_of_the_readme_is_one_that_the_script_takes(self):
        text = (FOLDER / "README.md").read_text().replace("\\\n", " ")
        called = [line.split("conformance.py ", 1)[1] for line in text.splitlines()
                  if line.startswith("$ python3 ")]
        self.assertEqual([conformance.parser().parse_args(words.split()).command for words in called],
                         ["ask", "ask", "clean"])


class Plans(unittest.TestCase):
    def shown(self, *words):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            self.assertEqual(conformance.main(["ask", "--only", "names", *words]), 0)
        return out.getvalue()

    def test_a_plan_above_the_limit_says_that_it_would_be_refused(self):
        self.assertIn("With --yes it runs.", self.shown())
        refused = self.shown("--max-cost", "0")
        self.assertIn("With --yes it is refused: the bound is above --max-cost.", refused)
        self.assertNotIn("it runs", refused)

    def test_one_question_is_counted_in_the_singular(self):
        self.assertIn("\n1 question, images", self.shown())


class Endpoints(unittest.TestCase):
    def test_every_partition_that_is_open_to_the_public_is_one_of_aws(self):
        for partition in botocore.loaders.Loader().load_data("partitions")["partitions"]:
            if not partition["id"].startswith("aws-iso"):
                for suffix in ("dnsSuffix", "dualStackDnsSuffix"):
                    aws.check_endpoint(f"https://ec2.any.{partition['outputs'][suffix]}", None)

    def test_an_endpoint_of_aws_without_tls_is_refused(self):
        with self.assertRaises(Misuse):
            aws.check_endpoint("http://ec2.us-east-1.amazonaws.com", None)

    def test_a_profile_that_names_an_endpoint_is_refused_even_if_its_name_is_one_of_aws(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        url = "https://vpce-0123.ec2.us-east-1.vpce.amazonaws.com"
        (folder / "config").write_text(
            f"[profile whole]\nendpoint_url = {url}\n[profile one]\nservices = any\n"
            f"[services any]\nec2 =\n  endpoint_url = {url}\n[profile none]\nregion = us-east-1\n")
        self.enterContext(mock.patch.dict(os.environ, {
            "AWS_CONFIG_FILE": str(folder / "config"), "AWS_SHARED_CREDENTIALS_FILE": os.devnull}))
        for name in ("whole", "one"):
            with self.assertRaisesRegex(Misuse, "--source-profile names the endpoint https://vpce"):
                aws.Aws({"source": name}).session("source")
        self.assertEqual(aws.Aws({"source": "none"}).session("source").profile_name, "none")

    def test_only_aws_and_a_loopback_address_that_was_asked_for_are_called(self):
        for url in ("https://ec2.us-east-1.amazonaws.com", "https://s3.dualstack.eu-west-1.amazonaws.com",
                    "https://sts.cn-north-1.amazonaws.com.cn", "https://kms-fips.us-east-1.api.aws"):
            aws.check_endpoint(url, None)
        for url in ("http://127.0.0.1:4566", "http://localhost:4566", "http://[::1]:4566"):
            aws.check_endpoint(url, url)
            with self.assertRaises(Misuse):
                aws.check_endpoint(url, None)

    def test_names_that_only_look_like_aws_or_loopback_are_refused(self):
        for url in ("https://amazonaws.com.example.net", "https://evilamazonaws.com", "http://10.0.0.1",
                    "http://127.0.0.1.example.net", "http://localhost.example.net"):
            with self.assertRaises(Misuse, msg=url):
                aws.check_endpoint(url, None)
            with self.assertRaises(Misuse, msg=url):
                aws.Aws({}, url)


class Names(unittest.TestCase):
    def test_a_name_and_a_description_lead_back_to_their_run(self):
        one = naming.new_run()
        self.assertTrue(naming.is_run(one))
        self.assertEqual(naming.run_of_name(naming.name(one, "vault-2")), one)
        self.assertEqual(naming.run_of_description(naming.description(one, "a key")), one)
        self.assertEqual(naming.run_of_tags(naming.tags(one, kept="stored")), one)

    def test_what_names_no_run_leads_to_none(self):
        for text in ("amiferry-conformance", "amiferry-conformance-mine", "amiferry-conformance-0123-x",
                     "my-amiferry-conformance-0123456789-x", "amiferry-conformance-0123456789X-x"):
            self.assertIsNone(naming.run_of_name(text), text)
        self.assertIsNone(naming.run_of_description("about amiferry-conformance 0123456789: x"))
        self.assertIsNone(naming.run_of_tags([{"Key": naming.TAG, "Value": "any"}]))
        self.assertIsNone(naming.run_of_tags([{"Key": "run", "Value": "0123456789"}]))

    def test_a_bucket_name_is_never_too_long(self):
        longest = max(("foreign-key", "unsupported", f"{naming.MARKER}-off"), key=len)
        self.assertLessEqual(len(naming.name(naming.new_run(), longest)), 63)


class Cleaning(unittest.TestCase):
    def test_what_is_of_another_run_or_of_none_is_not_deleted(self):
        for other in ("fedcba9876", None):
            item = find.Item("bucket", PLACE, "amiferry-conformance-x", other)
            with self.assertRaisesRegex(Unanswered, "not deleted"):
                clean.delete(None, item, "0123456789")

    def test_nothing_is_deleted_for_a_text_that_is_no_run(self):
        for text in ("", "*", "0123"):
            with self.assertRaises(Unanswered):
                clean.clean(None, [], text, aws.Clock(), 1, print)


class Commands(unittest.TestCase):
    """The command `clean`, with what a look finds and a clean-up leaves put in their places."""

    ONE, OTHER = "0123456789", "fedcba9876"
    OPTIONS = ("--source-profile", "a profile", "--vault-profile", "vault", "--source-account",
               "111111111111", "--vault-account", "222222222222")

    def cleaned(self, *words, found=(), problems=(), rest=None):
        places = {"source": PLACE}
        items = [find.Item("bucket", PLACE, naming.name(one, "x"), one) for one in found]
        out, err = io.StringIO(), io.StringIO()
        with mock.patch.object(run, "connect", lambda _: (None, places)), \
                mock.patch.object(run, "interruptible", lambda: None), \
                mock.patch.object(find, "find", lambda *_: (items, list(problems))), \
                mock.patch.object(clean, "clean", lambda aws, scope, one, *_: ((rest or {}).get(one, []), [])), \
                contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = conformance.main(["clean", *self.OPTIONS, *words])
        return status, out.getvalue(), err.getvalue()

    def test_an_account_that_could_not_be_looked_at_is_not_called_empty(self):
        status, out, err = self.cleaned(problems=["could not look for any bucket"])
        self.assertEqual((status, out, err), (11, "", "LEFT: could not look for any bucket\n"))
        status, out, _ = self.cleaned()
        self.assertEqual((status, out), (0, "There is nothing to delete.\n"))

    def test_only_runs_of_which_nothing_is_left_count_as_cleaned_up(self):
        status, _, err = self.cleaned("--yes", found=[self.ONE, self.OTHER], rest={self.ONE: ["a bucket"]})
        self.assertEqual(status, 20)
        self.assertIn("LEFT: a bucket\n1 of 2 runs cleaned up; 0 things", err)
        status, _, err = self.cleaned("--yes", found=[self.ONE])
        self.assertEqual(status, 0)
        self.assertTrue(err.startswith("1 of 1 run cleaned up; "), err)

    def test_what_is_left_ends_with_a_command_that_a_shell_can_run(self):
        _, _, err = self.cleaned("--yes", "--run", self.ONE, found=[self.ONE], rest={self.ONE: ["a bucket"]})
        words = shlex.split(err.splitlines()[-1].removeprefix("clean up with: "))
        self.assertEqual(words[:3], [sys.executable, sys.argv[0], "clean"])
        args = conformance.parser().parse_args(words[2:])
        self.assertEqual((args.run, args.source_profile, args.yes), (self.ONE, "a profile", True))

    def test_a_journal_of_other_accounts_or_regions_is_refused_with_its_own(self):
        path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "journal.jsonl"
        touched = [aws.Place(role, account, region) for role, account in
                   (("source", "111111111111"), ("vault", "222222222222")) for region in ("eu-west-1", "eu-west-3")]
        journal.Journal(path, self.ONE, touched).close()
        status, out, err = self.cleaned("--journal", path.as_posix())
        self.assertEqual((status, out), (10, ""))
        self.assertIn(f"run {self.ONE} touched 111111111111/eu-west-1, 111111111111/eu-west-3, 222222222222/", err)
        status, _, _ = self.cleaned("--journal", path.as_posix(), "--source-region", "eu-west-3",
                                    "--vault-region", "eu-west-1")
        self.assertEqual(status, 0)

    def test_a_folder_that_cannot_be_written_is_refused_before_any_call(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "file").write_text("")
        called = mock.Mock(side_effect=AssertionError("called"))
        with mock.patch.object(run, "connect", called):
            for name in ("file", "file/inside"):
                err = io.StringIO()
                with contextlib.redirect_stderr(err):
                    status = conformance.main(["ask", *self.OPTIONS, "--yes", "--output", str(folder / name)])
                self.assertEqual(status, 10)
                self.assertIn("name a folder that can be written", err.getvalue())
        run.refuse_unwritable(folder / "new" / "folder")
        self.assertFalse((folder / "new").exists())


class Answers(unittest.TestCase):
    def test_a_part_that_fails_costs_only_itself(self):
        found = question.Answer("One part.", settings={"a": 1})
        with found.part("first"):
            found.facts["first"] = "seen"
        with found.part("second", "b"):
            raise Unanswered("too late\nand more")
        self.assertEqual((found.settings, found.open), ({"a": 1}, {"b": "too late"}))
        self.assertEqual(found.facts, {"first": "seen", "second": "too late"})
        with self.assertRaises(KeyError), found.part("third"):
            raise KeyError("a defect of the question")

    def test_an_answer_with_a_missing_part_keeps_its_settings_and_is_not_whole(self):
        found = question.Answer("One part.", settings={"ec2.one_copy": "per-key"}, missing=["rest: too late"])
        one = question.Question("q", "g", "?", (), (), None, ("ec2.one_copy",), lambda _: found)
        with contextlib.redirect_stderr(io.StringIO()):
            result = run.answered(None, one)
        self.assertEqual((result["status"], report.settings_of([result])), ("answered in part", found.settings))
        text = report.text({"run": "r", "at": "t", "endpoint": "AWS", "source": "s", "vault": "v", "left": [],
                            "problems": [], "questions": [result]})
        for part in ("One part.", "NOT ANSWERED: rest: too late", "0 of 1 questions answered, 1 in part."):
            self.assertIn(part, text)


class Journals(unittest.TestCase):
    def path(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name) / "journal.jsonl"

    def test_what_is_written_before_a_call_is_there_however_the_run_ends(self):
        path = self.path()
        book = journal.Journal(path, "0123456789", [PLACE])
        book.making("bucket", PLACE, "name")
        # Not closed: as after a kill.
        run_id, entries = journal.read(path)
        self.assertEqual((run_id, entries[-1]["kind"], entries[-1]["name"]), ("0123456789", "bucket", "name"))
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        with path.open("a") as file:
            file.write('{"made": 1, "i')
        self.assertEqual(len(journal.read(path)[1]), 2)
        with self.assertRaises(FileExistsError):
            journal.Journal(path, "0123456789", [])
        book.close()

    def test_a_file_that_is_no_journal_is_refused(self):
        path = self.path()
        for text in ("", "{}\n", "not JSON\n{}\n", '{"run": 5}\n', '{"run": "0123456789"}\n',
                     '{"run": "0123456789", "places": []}\n', '{"run": "0123456789", "places": [["a"]]}\n',
                     '[]\n', '{"run": "0123456789", "places": [["a", 1, "b"]]}\n'):
            path.write_text(text)
            with self.assertRaises(ValueError, msg=text):
                journal.read(path)


class Reports(unittest.TestCase):
    def test_the_settings_file_is_toml_with_the_values_that_were_seen(self):
        seen = {"ec2.one_copy": "per-key", "ec2.codes.quota": 'a "b"\\\n\x7f', "ec2.foreign_buckets": False,
                "ec2.image_pages": [1, 1000], "kms.grant_delay": 3}
        read = tomllib.loads(report.settings_file(seen, ["a heading", ""]))
        self.assertEqual(read, {"settings": {
            "ec2": {"one_copy": "per-key", "foreign_buckets": False, "image_pages": [1, 1000],
                    "codes": {"quota": 'a "b"\\\n\x7f'}},
            "kms": {"grant_delay": 3}}})

    def test_two_answers_that_contradict_each_other_are_not_printed(self):
        one, other = {"settings": {"ec2.one_copy": "per-key"}}, {"settings": {"ec2.one_copy": "unlimited"}}
        self.assertEqual(report.settings_of([one, one, {}]), one["settings"])
        with self.assertRaises(ValueError):
            report.settings_of([one, other])

    def test_a_report_says_what_was_not_answered_and_what_is_left(self):
        asked = {"id": "q", "asks": "?", "switches": []}
        whole = {"run": "r", "at": "t", "endpoint": "AWS", "source": "s", "vault": "v", "left": ["bucket b"],
                 "problems": [], "questions": [asked | {"status": "not answered", "cause": "because"}]}
        text = report.text(whole)
        for part in ("NOT ANSWERED: because", "0 of 1 questions answered", "LEFT BEHIND", "bucket b",
                     "no switch"):
            self.assertIn(part, text)


class Places(unittest.TestCase):
    def args(self, **more):
        return Namespace(**({"source_account": "1", "vault_account": "2", "source_region": "a",
                             "vault_region": "b"} | more))

    def test_one_account_or_one_region_is_refused(self):
        self.assertEqual(len(set(run.places_of(self.args()).values())), 4)
        for same in ({"vault_account": "1"}, {"vault_region": "a"}):
            with self.assertRaises(Misuse):
                run.places_of(self.args(**same))


if __name__ == "__main__":
    unittest.main()
