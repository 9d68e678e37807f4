//! Functions give what CloudFormation documents, and say what they cannot resolve.

use serde_json::json;

use super::*;
use crate::cloudformation::yaml;

const TEMPLATE: &str = "
Conditions:
  Yes: !Equals [!Ref P, x]
  No: !Not [{Condition: Yes}]
  Both: !And [{Condition: Yes}, {Condition: No}]
  Either: !Or [{Condition: Yes}, {Condition: No}]
  Round: !Not [{Condition: Round}]
Resources: {A: {Type: T}}
";

fn with_scope<T>(look: impl FnOnce(&Scope<'_>) -> T) -> T {
    let template = Template::parse(TEMPLATE).unwrap();
    let values = BTreeMap::from_iter([
        ("P".to_owned(), json!("x")),
        ("L".to_owned(), json!(["a", "b"])),
        ("AWS::Region".to_owned(), json!("us-east-1")),
    ]);
    let attributes = BTreeMap::from_iter([("Arn".to_owned(), "arn:a".to_owned())]);
    let made = Made { physical: "a-1".to_owned(), attributes };
    let made = BTreeMap::from_iter([("A".to_owned(), made)]);
    look(&Scope { template: &template, values: &values, made: &made })
}

fn resolved(text: &str) -> Result<Option<Value>, String> {
    let value = yaml::parse(text).unwrap();
    with_scope(|scope| scope.resolve(&value))
}

#[test]
fn functions_give_what_they_are_documented_to_give() {
    for (text, value) in [
        ("!Ref P", json!("x")),
        ("!Ref L", json!(["a", "b"])),
        ("!Ref A", json!("a-1")),
        ("!GetAtt A.Arn", json!("arn:a")),
        ("!Sub 'x-${A}-${A.Arn}-${AWS::Region}-${!A}-${'", json!("x-a-1-arn:a-us-east-1-${A}-${")),
        ("!Sub ['${Q}${P}', {Q: !Ref A}]", json!("a-1x")),
        ("!Join ['-', [a, !Ref P, 1]]", json!("a-x-1")),
        ("!Join ['', !Ref L]", json!("ab")),
        ("!Select [1, !Ref L]", json!("b")),
        ("!Select ['0', !Split [':', 'c:d']]", json!("c")),
        ("!If [Yes, 1, 2]", json!(1)),
        ("!If [No, 1, 2]", json!(2)),
        ("{a: !Ref AWS::NoValue, b: [!If [No, 1, !Ref AWS::NoValue], 2]}", json!({ "b": [2] })),
        ("Fn::Base64: hello", json!("aGVsbG8=")),
        ("{Ref: P, Fn::Sub: x}", json!({ "Ref": "P", "Fn::Sub": "x" })),
    ] {
        assert_eq!(resolved(text), Ok(Some(value)), "{text}");
    }
    assert_eq!(resolved("!Ref AWS::NoValue"), Ok(None));
}

#[test]
fn what_cannot_be_resolved_is_named() {
    for (text, named) in [
        ("!Ref B", "[B]"),
        ("!GetAtt A.Url", "Url"),
        ("!GetAtt B.Arn", "[B]"),
        ("!Sub '${L}'", "list"),
        ("!Select [7, !Ref L]", "index 7"),
        ("!Join ['-']", "Fn::Join"),
        ("!If [Never, 1, 2]", "Never"),
        ("!If [Round, 1, 2]", "itself"),
        ("!ImportValue x", "Fn::ImportValue"),
    ] {
        let error = resolved(text).unwrap_err();
        assert!(error.contains(named), "{text}: {error}");
    }
}

#[test]
fn conditions_and_the_functions_of_rules_hold_or_do_not() {
    for (text, holds) in [
        ("{Condition: Yes}", true),
        ("{Condition: No}", false),
        ("{Condition: Both}", false),
        ("{Condition: Either}", true),
        ("Fn::Contains: [!Ref L, a]", true),
        ("Fn::Contains: [!Ref L, c]", false),
        ("Fn::EachMemberEquals: [[a, a], a]", true),
        ("Fn::EachMemberEquals: [!Ref L, a]", false),
        ("Fn::EachMemberIn: [!Ref L, [a, b, c]]", true),
        ("Fn::EachMemberIn: [!Ref L, [a]]", false),
        ("!Equals [1, '1']", true),
        ("'true'", true),
    ] {
        let value = yaml::parse(text).unwrap();
        assert_eq!(with_scope(|scope| scope.holds(&value, 0)), Ok(holds), "{text}");
    }
    let none = with_scope(|scope| scope.holds(&json!({ "Fn::Xor": [] }), 0));
    assert!(none.unwrap_err().contains("neither"));
}
