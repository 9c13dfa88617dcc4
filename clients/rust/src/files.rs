//! Credentials in files that are replaced while the client runs.
//!
//! They are read again when a time has passed, and their content is compared: a file can change twice
//! within one tick of its time of modification. The files are small, and mostly in memory, so reading
//! them does not block for long.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::connect::ConfigError;

pub(crate) const REREAD_AFTER: Duration = Duration::from_secs(1);

/// The content of a file.
pub(crate) fn read(option: &str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|error| {
        ConfigError::new(format!("{option} {} cannot be read: {error}", path.display()))
    })
}

/// A token in a file.
pub(crate) struct TokenFile {
    path: PathBuf,
    reread_after: Duration,
    last: Mutex<(String, Instant)>,
}

impl TokenFile {
    /// Reads the file for the first time.
    pub(crate) fn open(path: PathBuf, reread_after: Duration) -> Result<Self, ConfigError> {
        let last = Mutex::new((read_token(&path)?, Instant::now()));
        Ok(Self { path, reread_after, last })
    }

    /// The token. After an error, the next call reads the file again.
    pub(crate) fn token(&self) -> Result<String, ConfigError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.1.elapsed() >= self.reread_after {
            *last = (read_token(&self.path)?, Instant::now());
        }
        Ok(last.0.clone())
    }
}

/// The error names the file, and has nothing of its content.
fn read_token(path: &Path) -> Result<String, ConfigError> {
    let content = read("token_file", path)?;
    let token = content.trim_ascii();
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(ConfigError::new(format!(
            "token_file {} must contain visible ASCII characters, and at least one",
            path.display()
        )));
    }
    Ok(token.iter().copied().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "one\n").unwrap();
        (directory, path)
    }

    #[test]
    fn a_token_is_read_again_and_trimmed() {
        let (directory, path) = file();
        let token = TokenFile::open(path.clone(), Duration::ZERO).unwrap();
        assert_eq!(token.token().unwrap(), "one");
        // Kubernetes replaces the directory to which the file's link leads.
        let replacement = directory.path().join("new");
        std::fs::write(&replacement, "  two\r\n").unwrap();
        std::fs::rename(&replacement, &path).unwrap();
        assert_eq!(token.token().unwrap(), "two");
        std::fs::write(&path, "six").unwrap();
        assert_eq!(token.token().unwrap(), "six");
    }

    #[test]
    fn a_token_is_not_read_for_each_call() {
        let (_directory, path) = file();
        let token = TokenFile::open(path.clone(), Duration::from_secs(3600)).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(token.token().unwrap(), "one");
    }

    #[test]
    fn a_file_without_a_token_is_named_and_its_content_is_not_shown() {
        let (_directory, path) = file();
        let name = path.display().to_string();
        let token = TokenFile::open(path.clone(), Duration::ZERO).unwrap();
        for content in ["", " \n", "secret token", "secret\nline", "secrét"] {
            std::fs::write(&path, content).unwrap();
            let message = token.token().unwrap_err().to_string();
            assert!(message.contains(&name) && !message.contains("secr"), "{message}");
            assert!(TokenFile::open(path.clone(), Duration::ZERO).is_err());
        }
        std::fs::remove_file(&path).unwrap();
        let message = token.token().unwrap_err().to_string();
        assert!(message.contains(&name) && message.contains("cannot be read"), "{message}");
        std::fs::write(&path, "back").unwrap();
        assert_eq!(token.token().unwrap(), "back");
    }
}
