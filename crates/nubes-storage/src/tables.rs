//! Copies of redb files that are open.

use redb::{
    Database, Key, ReadTransaction, ReadableTable, TableDefinition, TableError, Value, WriteTransaction,
};
use std::path::Path;

/// Makes a new file of what `read` sees; durable on return. `copy` names the tables, see [`table`].
pub(crate) fn file(
    read: &ReadTransaction,
    to: &Path,
    copy: impl FnOnce(&ReadTransaction, &WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let database = Database::create(to)?;
    let write = database.begin_write()?;
    copy(read, &write)?;
    Ok(write.commit()?)
}

/// Copies one table; one that is not there stays so.
pub(crate) fn table<K: Key + 'static, V: Value + 'static>(
    (read, write): (&ReadTransaction, &WriteTransaction),
    table: TableDefinition<'_, K, V>,
) -> Result<(), redb::Error> {
    let from = match read.open_table(table) {
        Ok(from) => from,
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut to = write.open_table(table)?;
    for entry in from.iter()? {
        let (key, value) = entry?;
        to.insert(key.value(), value.value())?;
    }
    Ok(())
}
