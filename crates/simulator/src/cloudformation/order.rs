//! In which order the resources of a template are made: each after what it refers to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::functions::{Piece, call, pieces, sub};
use super::template::Template;

/// The logical ids of the resources, each after those that it depends on. Resources that do not depend
/// on each other stand in the order of their ids.
///
/// # Errors
/// Names that stand for nothing, or resources that depend on each other in a circle.
pub fn order(template: &Template) -> Result<Vec<String>, String> {
    let mut open = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    for (id, declared) in &template.resources {
        let mut names: BTreeSet<String> = declared.depends_on.iter().cloned().collect();
        for value in declared.properties.values() {
            referred(value, &mut names)?;
        }
        names.retain(|name| {
            let is_resource = template.resources.contains_key(name);
            if !is_resource && !template.parameters.contains_key(name) && !name.starts_with("AWS::")
            {
                unknown.insert(name.clone());
            }
            is_resource
        });
        open.insert(id.clone(), names);
    }
    if !unknown.is_empty() {
        let unknown: Vec<String> = unknown.into_iter().collect();
        return Err(format!(
            "Template format error: Unresolved resource dependencies [{}] in the Resources block of \
             the template",
            unknown.join(", ")
        ));
    }
    let mut ordered: Vec<String> = Vec::new();
    while !open.is_empty() {
        let ready = open.iter().find(|(_, needs)| needs.iter().all(|id| ordered.contains(id)));
        let Some((ready, _)) = ready else {
            let circle: Vec<&str> = open.keys().map(String::as_str).collect();
            return Err(format!("Circular dependency between resources: [{}]", circle.join(", ")));
        };
        let ready = ready.clone();
        open.remove(&ready);
        ordered.push(ready);
    }
    Ok(ordered)
}

/// Adds the names that a value refers to.
fn referred(value: &Value, names: &mut BTreeSet<String>) -> Result<(), String> {
    match call(value) {
        Some(("Ref", Value::String(name))) => {
            names.insert(name.clone());
        }
        Some(("Fn::GetAtt", Value::Array(parts))) => {
            names.extend(parts.first().and_then(Value::as_str).map(str::to_owned));
        }
        Some(("Fn::Sub", argument)) => {
            let (text, own) = sub(argument)?;
            for piece in pieces(text) {
                let Piece::Name(name) = piece else { continue };
                let of = name.split_once('.').map_or(name, |(of, _)| of);
                if own.is_none_or(|own| !own.contains_key(name)) {
                    names.insert(of.to_owned());
                }
            }
            for value in own.into_iter().flat_map(|own| own.values()) {
                referred(value, names)?;
            }
        }
        _ => {
            let inner: Vec<&Value> = match value {
                Value::Array(list) => list.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => Vec::new(),
            };
            for value in inner {
                referred(value, names)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(resources: &str) -> Result<Vec<String>, String> {
        order(
            &Template::parse(&format!(
                "Parameters: {{P: {{Type: String}}}}\nResources:\n{resources}"
            ))
            .unwrap(),
        )
    }

    #[test]
    fn each_resource_comes_after_what_it_refers_to() {
        let ordered = of("  A: {Type: T, DependsOn: D}
  B: {Type: T, Properties: {x: !If [C, [!GetAtt D.Arn], !Ref AWS::NoValue], p: !Ref P}}
  C: {Type: T, Properties: {x: !Sub ['${D.Arn}${E}${AWS::Region}', {E: !Ref B}]}}
  D: {Type: T}");
        assert_eq!(ordered.unwrap(), ["D", "A", "B", "C"]);
    }

    #[test]
    fn circles_and_unknown_names_are_refused_by_name() {
        let error = of("  A: {Type: T, DependsOn: B}\n  B: {Type: T, Properties: {x: !Ref A}}");
        assert_eq!(error.unwrap_err(), "Circular dependency between resources: [A, B]");
        let error = of("  A: {Type: T, Properties: {x: !Sub '${Nowhere.Arn}'}}").unwrap_err();
        assert!(error.contains("[Nowhere]"), "{error}");
    }
}
