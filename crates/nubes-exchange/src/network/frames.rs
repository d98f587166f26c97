//! Messages on a stream: each has its length in front, as a varint.
//!
//! Reading takes room from a common budget before it takes memory, so that many peers that each begin a long message cannot
//! fill this machine; a message that does not come on is given up.

use super::streams::Agreed;
use crate::message::{Message, RECEIVED_BYTES_MAX};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use libp2p::{PeerId, Stream};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::timeout,
};

/// The budget counts in this unit.
const ROOM_UNIT_BYTES: usize = 1 << 10;
/// Bytes of messages that are being received, of all peers.
const RECEIVING_BYTES_MAX: usize = 64 << 20;
/// A message takes no longer than this, once its length is known.
const MESSAGE_TIMEOUT: Duration = Duration::from_mins(1);
/// A stream that is not used for this long is closed: Helia gives up streams that are silent, and a message written to one
/// of those would be lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);
/// Messages that wait for one peer's stream. The machine bounds blocks, this bounds the rest.
pub(super) const WAITING_MESSAGES_MAX: usize = 1024;

/// Room for all messages that are being received.
pub(super) fn budget() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(RECEIVING_BYTES_MAX / ROOM_UNIT_BYTES))
}

/// A message that came, and the room it takes until it is dropped.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) peer: PeerId,
    pub(super) message: Message,
    _room: OwnedSemaphorePermit,
}

/// Reads messages until the peer ends the stream or breaks a rule.
pub(super) async fn read(
    peer: PeerId,
    mut stream: Stream,
    room: Arc<Semaphore>,
    out: mpsc::Sender<Received>,
) {
    loop {
        match read_one(&mut stream, &room).await {
            Ok(Some((message, room))) => {
                if out.send(Received { peer, message, _room: room }).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(%peer, %error, "bitswap stream dropped");
                return;
            }
        }
    }
}

async fn read_one(
    stream: &mut Stream,
    room: &Arc<Semaphore>,
) -> io::Result<Option<(Message, OwnedSemaphorePermit)>> {
    let Some(length) = read_length(stream).await? else { return Ok(None) };
    if length > RECEIVED_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes")));
    }
    let units = u32::try_from(length.div_ceil(ROOM_UNIT_BYTES)).unwrap_or(u32::MAX);
    let body = async {
        let room = Arc::clone(room).acquire_many_owned(units).await.map_err(io::Error::other)?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        Ok::<_, io::Error>((body, room))
    };
    let (body, room) = timeout(MESSAGE_TIMEOUT, body).await.map_err(io::Error::other)??;
    let message = Message::decode(body.into()).map_err(io::Error::other)?;
    Ok(Some((message, room)))
}

async fn read_length(stream: &mut Stream) -> io::Result<Option<usize>> {
    let mut length = 0_usize;
    for position in 0..4 {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return if position == 0 { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        length |= usize::from(byte[0] & 0x7f) << (7 * position);
        if byte[0] & 0x80 == 0 {
            return Ok(Some(length));
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "a length of more than four bytes"))
}

/// A message for a peer, and the weight by which the machine counts it.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) message: Message,
    pub(super) bytes: usize,
}

/// What a writer tells the loop that owns the swarm.
#[derive(Debug)]
pub(super) enum Note {
    /// Needs a stream.
    Open(PeerId, oneshot::Sender<Agreed>),
    Written(PeerId, usize),
    /// Cannot be written to: bitswap is not spoken there, or the connection is broken.
    Lost(PeerId),
}

/// Writes one peer's messages in their order, over one stream that is opened when needed.
pub(super) async fn write(peer: PeerId, mut queue: mpsc::Receiver<Outgoing>, notes: mpsc::Sender<Note>) {
    let mut stream = None;
    loop {
        let next = if let Ok(next) = timeout(IDLE_TIMEOUT, queue.recv()).await {
            next
        } else {
            close(stream.take()).await;
            queue.recv().await
        };
        let Some(Outgoing { message, bytes }) = next else { break };
        let note = match deliver(peer, &mut stream, &message, &notes).await {
            Some(()) => Note::Written(peer, bytes),
            None => Note::Lost(peer),
        };
        let lost = matches!(note, Note::Lost(_));
        if notes.send(note).await.is_err() || lost {
            return;
        }
    }
    close(stream).await;
}

/// Twice: a stream that the peer has closed meanwhile fails at the first write.
async fn deliver(
    peer: PeerId,
    slot: &mut Option<Agreed>,
    message: &Message,
    notes: &mpsc::Sender<Note>,
) -> Option<()> {
    for _ in 0..2 {
        if slot.is_none() {
            let (reply, opened) = oneshot::channel();
            notes.send(Note::Open(peer, reply)).await.ok()?;
            *slot = Some(timeout(MESSAGE_TIMEOUT, opened).await.ok()?.ok()?);
        }
        let (stream, version) = slot.as_mut()?;
        match timeout(MESSAGE_TIMEOUT, write_one(stream, &message.encode(*version))).await {
            Ok(Ok(())) => return Some(()),
            Ok(Err(error)) => tracing::debug!(%peer, %error, "bitswap stream broke"),
            Err(_) => return None,
        }
        *slot = None;
    }
    None
}

async fn write_one(stream: &mut Stream, body: &[u8]) -> io::Result<()> {
    let mut length = Vec::new();
    prost::encoding::encode_varint(body.len() as u64, &mut length);
    stream.write_all(&length).await?;
    stream.write_all(body).await?;
    stream.flush().await
}

async fn close(stream: Option<Agreed>) {
    if let Some((mut stream, _)) = stream {
        // It is not needed any more; that it breaks now is no loss.
        let _ = timeout(IDLE_TIMEOUT, stream.close()).await;
    }
}
