//! Cryptographic operations. The ciphertext hides nothing: it only says which key and context it
//! belongs to, so that every rule of KMS about them can be kept.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Ask, Names, Request, dry_run, invalid, parse};
use crate::kms::grant::EncryptionContext;
use crate::wire::ApiError;

/// What a ciphertext blob holds.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    key: String,
    context: EncryptionContext,
    plaintext: String,
}

impl Sealed {
    fn blob(&self) -> String {
        STANDARD.encode(json!(self).to_string())
    }

    fn open(blob: &str) -> Result<Self, ApiError> {
        let bytes = STANDARD.decode(blob).ok();
        bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| ApiError::new(400, "InvalidCiphertextException", ""))
    }
}

/// The members that the cryptographic operations share.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Common {
    key_id: Option<String>,
    #[serde(default)]
    encryption_context: EncryptionContext,
    #[serde(default)]
    grant_tokens: Vec<String>,
    #[serde(default)]
    dry_run: bool,
    plaintext: Option<String>,
    ciphertext_blob: Option<String>,
    key_spec: Option<String>,
    number_of_bytes: Option<usize>,
    #[serde(default)]
    dry_run_modifiers: Vec<String>,
    source_key_id: Option<String>,
    #[serde(default)]
    destination_key_id: String,
    #[serde(default)]
    source_encryption_context: EncryptionContext,
    #[serde(default)]
    destination_encryption_context: EncryptionContext,
}

impl Common {
    /// Whether the ciphertext may be missing: a dry run that only asks for the permission.
    fn ignores_ciphertext(&self) -> Result<bool, ApiError> {
        match self.dry_run_modifiers.as_slice() {
            [] => Ok(false),
            [modifier] if modifier == "IGNORE_CIPHERTEXT" && self.dry_run => Ok(true),
            _ => Err(invalid("DryRunModifiers is [IGNORE_CIPHERTEXT], and only with DryRun")),
        }
    }

    fn sealed(&self) -> Result<Option<Sealed>, ApiError> {
        if self.ignores_ciphertext()? {
            return Ok(None);
        }
        let blob = self.ciphertext_blob.as_deref();
        Sealed::open(blob.ok_or_else(|| invalid("CiphertextBlob is missing"))?).map(Some)
    }
}

/// The key for one operation: allowed to the caller and in a state to be used.
fn key(
    request: &mut Request<'_>,
    operation: &str,
    key_id: &str,
    context: &EncryptionContext,
    tokens: &[String],
) -> Result<String, ApiError> {
    let ask = Ask { context, tokens, ..Ask::shared(operation, Names::WithAliases) };
    let arn = request.allowed(key_id, &ask)?;
    request.key(&arn)?.check_crypto()?;
    Ok(arn.to_string())
}

pub(super) fn encrypt(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let common: Common = parse(body)?;
    let id = common.key_id.as_deref().unwrap_or_default();
    let context = &common.encryption_context;
    let key = key(request, "Encrypt", id, context, &common.grant_tokens)?;
    let plaintext = common.plaintext.ok_or_else(|| invalid("Plaintext is missing"))?;
    let length = STANDARD.decode(&plaintext).map(|bytes| bytes.len()).unwrap_or_default();
    if !(1..=4096).contains(&length) {
        return Err(invalid("Plaintext must be 1 to 4096 bytes in Base64"));
    }
    if common.dry_run {
        return Err(dry_run());
    }
    let sealed = Sealed { key: key.clone(), context: common.encryption_context, plaintext };
    Ok(json!({
        "CiphertextBlob": sealed.blob(),
        "KeyId": key,
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }))
}

pub(super) fn decrypt(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let common: Common = parse(body)?;
    let sealed = common.sealed()?;
    let named = common.key_id.as_deref().or(sealed.as_ref().map(|sealed| sealed.key.as_str()));
    let id = named.ok_or_else(|| invalid("KeyId is required with IGNORE_CIPHERTEXT"))?;
    let context = &common.encryption_context;
    let key = key(request, "Decrypt", id, context, &common.grant_tokens)?;
    let plaintext = unsealed(sealed, &key, context)?;
    let plaintext = plaintext.filter(|_| !common.dry_run).ok_or_else(dry_run)?;
    Ok(json!({
        "KeyId": key,
        "Plaintext": plaintext,
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }))
}

fn unsealed(
    sealed: Option<Sealed>,
    key: &str,
    context: &EncryptionContext,
) -> Result<Option<String>, ApiError> {
    let Some(sealed) = sealed else { return Ok(None) };
    if sealed.key != key {
        let message =
            "The key ID in the request does not identify a CMK that can perform this operation.";
        return Err(ApiError::new(400, "IncorrectKeyException", message));
    }
    if sealed.context != *context {
        return Err(ApiError::new(400, "InvalidCiphertextException", ""));
    }
    Ok(Some(sealed.plaintext))
}

pub(super) fn re_encrypt(request: &mut Request<'_>, body: &Bytes) -> Result<Value, ApiError> {
    let common: Common = parse(body)?;
    let sealed = common.sealed()?;
    let named = common.source_key_id.as_deref().or(sealed.as_ref().map(|s| s.key.as_str()));
    let id = named.ok_or_else(|| invalid("SourceKeyId is required with IGNORE_CIPHERTEXT"))?;
    let tokens = &common.grant_tokens;
    let source = key(request, "ReEncryptFrom", id, &common.source_encryption_context, tokens)?;
    let context = &common.destination_encryption_context;
    let target = key(request, "ReEncryptTo", &common.destination_key_id, context, tokens)?;
    let plaintext = unsealed(sealed, &source, &common.source_encryption_context)?;
    let plaintext = plaintext.filter(|_| !common.dry_run).ok_or_else(dry_run)?;
    let context = common.destination_encryption_context;
    let sealed = Sealed { key: target.clone(), context, plaintext };
    Ok(json!({
        "CiphertextBlob": sealed.blob(),
        "SourceKeyId": source,
        "KeyId": target,
        "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }))
}

pub(super) fn generate(
    request: &mut Request<'_>,
    body: &Bytes,
    with_plaintext: bool,
) -> Result<Value, ApiError> {
    let common: Common = parse(body)?;
    let operation =
        if with_plaintext { "GenerateDataKey" } else { "GenerateDataKeyWithoutPlaintext" };
    let id = common.key_id.as_deref().unwrap_or_default();
    let context = &common.encryption_context;
    let key = key(request, operation, id, context, &common.grant_tokens)?;
    let bytes = match (common.key_spec.as_deref(), common.number_of_bytes) {
        (Some("AES_256"), None) => 32,
        (Some("AES_128"), None) => 16,
        (None, Some(bytes @ 1..=1024)) => bytes,
        _ => {
            return Err(invalid(
                "Please specify either KeySpec AES_128 or AES_256 or NumberOfBytes 1 to 1024",
            ));
        }
    };
    if common.dry_run {
        return Err(dry_run());
    }
    let rng = &mut request.state.rng;
    let plaintext = STANDARD.encode((0..bytes).map(|_| rng.u8(..)).collect::<Vec<u8>>());
    let sealed = Sealed { key: key.clone(), context: common.encryption_context, plaintext };
    let mut answer = json!({ "CiphertextBlob": sealed.blob(), "KeyId": key });
    if let Some(members) = answer.as_object_mut().filter(|_| with_plaintext) {
        members.insert("Plaintext".to_owned(), Value::String(sealed.plaintext));
    }
    Ok(answer)
}
