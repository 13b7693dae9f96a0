//! Admin commands (NVMe 1.4, 5): one entry a command, and what each answers.

use std::ops::Range;
use std::sync::Arc;

use crate::answer::Parameters;
use crate::controller::Shared;
use crate::identify::{self, NVM, ZONED};
use crate::log_pages;
use crate::reservation_features;
use crate::self_tests::{Ended, Kind, Test};
use crate::submission::Submission;
use crate::{Status, Transfer};

/// An admin command.
pub(crate) struct AdminCommand {
    pub name: &'static str,
    pub opcode: u8,
    /// It takes data of namespaces away.
    pub erases: bool,
    pub moves: fn(Submission<'_>) -> Transfer,
    pub run: fn(&Context<'_>) -> Result<Reply, Status>,
}

/// What an admin command may see.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub entry: Submission<'a>,
    /// What came with the command.
    pub out: &'a dyn Parameters,
    pub shared: &'a Shared,
}

/// What an admin command answers when nothing is wrong.
pub(crate) enum Reply {
    /// Success, with dword 0 of the completion.
    Result(u32),
    /// Success, with as much of this as the host has room for.
    Data(Vec<u8>),
    /// Success, with dword 0 of the completion, and with data.
    Feature(u32, Vec<u8>),
    /// Success, once the disks of these namespaces keep what of the reservations persists.
    Reservations(Range<usize>),
    /// An event, when there is one.
    Event,
    /// These namespaces, by their indexes, are formatted.
    Format(Range<usize>),
    /// A self-test is begun.
    Test(Arc<Test>),
    Queue(QueueCommand),
}

/// What is to be done about queues, which are the transport's. Sizes are entries, addresses the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueCommand {
    CreateCompletion {
        id: u16,
        entries: u32,
        address: u64,
        /// `None`: completions are not told by interrupts.
        vector: Option<u16>,
    },
    CreateSubmission {
        id: u16,
        entries: u32,
        address: u64,
        completion: u16,
    },
    DeleteCompletion {
        id: u16,
    },
    DeleteSubmission {
        id: u16,
    },
    /// The command with this identifier is to be taken back from a submission queue.
    Abort {
        queue: u16,
        command: u16,
    },
    /// Where the host keeps doorbells, and is told from where on it has to ring.
    Doorbells {
        shadow: u64,
        events: u64,
    },
}

const fn command(
    name: &'static str,
    opcode: u8,
    moves: fn(Submission<'_>) -> Transfer,
    run: fn(&Context<'_>) -> Result<Reply, Status>,
) -> AdminCommand {
    AdminCommand {
        name,
        opcode,
        erases: false,
        moves,
        run,
    }
}

/// All admin commands, by opcode.
pub(crate) static COMMANDS: &[AdminCommand] = &[
    command(
        "Delete I/O Submission Queue",
        0x00,
        nothing,
        delete_submission,
    ),
    command(
        "Create I/O Submission Queue",
        0x01,
        nothing,
        create_submission,
    ),
    command("Get Log Page", 0x02, log_pages::received, log_pages::get),
    command(
        "Delete I/O Completion Queue",
        0x04,
        nothing,
        delete_completion,
    ),
    command(
        "Create I/O Completion Queue",
        0x05,
        nothing,
        create_completion,
    ),
    command("Identify", 0x06, a_page, identify),
    command("Abort", 0x08, nothing, abort),
    command(
        "Set Features",
        0x09,
        reservation_features::sent,
        set_features,
    ),
    command(
        "Get Features",
        0x0A,
        reservation_features::received,
        get_features,
    ),
    command("Asynchronous Event Request", 0x0C, nothing, |_| {
        Ok(Reply::Event)
    }),
    command("Device Self-test", 0x14, nothing, self_test),
    command("Doorbell Buffer Config", 0x7C, nothing, doorbells),
    AdminCommand {
        erases: true,
        ..command("Format NVM", 0x80, nothing, format)
    },
];

/// The admin command of this opcode.
pub(crate) fn find(opcode: u8) -> Result<&'static AdminCommand, Status> {
    let found = COMMANDS.iter().find(|one| one.opcode == opcode);
    found.ok_or(Status::INVALID_OPCODE)
}

/// The name of the admin command of this opcode; `None` if there is none.
pub fn admin_command_name(opcode: u8) -> Option<&'static str> {
    find(opcode).ok().map(|command| command.name)
}

/// The data that go with an admin command.
pub(crate) fn transfer(entry: Submission<'_>) -> Transfer {
    let found = find(entry.opcode());
    found.map_or_else(|_| Transfer::default(), |command| (command.moves)(entry))
}

fn nothing(_: Submission<'_>) -> Transfer {
    Transfer::default()
}

fn a_page(_: Submission<'_>) -> Transfer {
    Transfer {
        out: 0,
        into: identify::LEN as u64,
    }
}

fn set_features(context: &Context<'_>) -> Result<Reply, Status> {
    if reservation_features::is_named(context.entry) {
        return reservation_features::set(context);
    }
    let features = &context.shared.features;
    features.set(context.entry).map(Reply::Result)
}

fn get_features(context: &Context<'_>) -> Result<Reply, Status> {
    if reservation_features::is_named(context.entry) {
        return reservation_features::get(context);
    }
    let features = &context.shared.features;
    features.get(context.entry).map(Reply::Result)
}

/// Identify, by what is asked for (CNS).
fn identify(context: &Context<'_>) -> Result<Reply, Status> {
    let (entry, shared) = (context.entry, context.shared);
    let set = entry.bits(11, 31, 24) as u8;
    let all = || (1..).zip(&shared.described);
    let of_set = move |set: u8| {
        let of = all().filter(move |(_, one)| identify::command_set(&one.geometry) == set);
        of.map(|(number, _)| number)
    };
    let data = match entry.bits(10, 7, 0) {
        0x00 => {
            let one = &shared.described[shared.index(entry.namespace())?];
            identify::namespace(&one.geometry, &one.identity)
        }
        0x01 => identify::controller(&shared.described[0].identity, shared.described.len() as u32),
        0x02 => {
            let after = listed_after(entry.namespace())?;
            identify::list(all().map(|(number, _)| number), after)
        }
        0x03 => {
            let one = &shared.described[shared.index(entry.namespace())?];
            identify::descriptors(&one.geometry, &one.identity)
        }
        0x05 => {
            let one = &shared.described[shared.index(entry.namespace())?];
            match set {
                NVM => vec![0; identify::LEN],
                ZONED if identify::command_set(&one.geometry) == ZONED => {
                    identify::zoned_namespace(&one.geometry)
                }
                _ => return Err(Status::INVALID_FIELD),
            }
        }
        // The largest append is the largest transfer, and there are no other limits.
        0x06 if matches!(set, NVM | ZONED) => vec![0; identify::LEN],
        0x07 if matches!(set, NVM | ZONED) => {
            identify::list(of_set(set), listed_after(entry.namespace())?)
        }
        0x1C => {
            let sets = all().map(|(_, one)| identify::command_set(&one.geometry));
            identify::command_sets(sets)
        }
        _ => return Err(Status::INVALID_FIELD),
    };
    Ok(Reply::Data(data))
}

/// After which namespace a list begins.
fn listed_after(namespace: u32) -> Result<u32, Status> {
    match namespace {
        0xFFFF_FFFE.. => Err(Status::INVALID_NAMESPACE),
        after => Ok(after),
    }
}

/// Device Self-test: of the controller alone, or of namespaces too.
fn self_test(context: &Context<'_>) -> Result<Reply, Status> {
    const NONE: u32 = 0;
    let (entry, shared) = (context.entry, context.shared);
    let kind = match entry.bits(10, 3, 0) {
        0x1 => Kind::Short,
        0x2 => Kind::Extended,
        0xF => {
            shared.end_test(|_| true, Ended::Aborted);
            return Ok(Reply::Result(0));
        }
        _ => return Err(Status::INVALID_FIELD),
    };
    let namespaces = match entry.namespace() {
        NONE => 0..0,
        namespace => shared.named(namespace)?,
    };
    Ok(Reply::Test(Test::new(kind, namespaces)))
}

/// Format NVM: the one format there is, without protection information. What was written is gone, whatever is asked for.
fn format(context: &Context<'_>) -> Result<Reply, Status> {
    const MOST_SECURE: u32 = 2;
    let entry = context.entry;
    if entry.bits(10, 3, 0) != 0 || entry.bits(10, 8, 5) != 0 {
        return Err(Status::INVALID_FORMAT);
    }
    if entry.bits(10, 11, 9) > MOST_SECURE {
        return Err(Status::INVALID_FIELD);
    }
    Ok(Reply::Format(context.shared.named(entry.namespace())?))
}

fn create_completion(context: &Context<'_>) -> Result<Reply, Status> {
    let (entry, limits) = (context.entry, context.shared.limits);
    let (id, entries, address) = queue(context)?;
    let vector = entry.bits(11, 31, 16) as u16;
    let has_interrupts = entry.bits(11, 1, 1) == 1;
    if has_interrupts && vector >= limits.vectors {
        return Err(Status::INVALID_INTERRUPT_VECTOR);
    }
    Ok(Reply::Queue(QueueCommand::CreateCompletion {
        id,
        entries,
        address,
        vector: has_interrupts.then_some(vector),
    }))
}

fn create_submission(context: &Context<'_>) -> Result<Reply, Status> {
    let (id, entries, address) = queue(context)?;
    let completion = context.entry.bits(11, 31, 16) as u16;
    if completion == 0 || completion > context.shared.limits.queues {
        return Err(Status::INVALID_QUEUE_IDENTIFIER);
    }
    Ok(Reply::Queue(QueueCommand::CreateSubmission {
        id,
        entries,
        address,
        completion,
    }))
}

/// Identifier, entries and address of a queue that is to be created. It is contiguous in the host's memory, in whole pages.
fn queue(context: &Context<'_>) -> Result<(u16, u32, u64), Status> {
    let entry = context.entry;
    let id = queue_id(context)?;
    let entries = entry.bits(10, 31, 16) + 1;
    let is_contiguous = entry.bits(11, 0, 0) == 1;
    let address = entry.address(1);
    if !(2..=MOST_ENTRIES).contains(&entries) {
        return Err(Status::INVALID_QUEUE_SIZE);
    }
    if !is_contiguous || address % PAGE != 0 {
        return Err(Status::INVALID_FIELD);
    }
    Ok((id, entries, address))
}

/// The most entries of a queue: CAP.MQES counts them from zero.
pub const MOST_ENTRIES: u32 = 1024;
const PAGE: u64 = 4096;

fn queue_id(context: &Context<'_>) -> Result<u16, Status> {
    match context.entry.bits(10, 15, 0) as u16 {
        id if id == 0 || id > context.shared.limits.queues => Err(Status::INVALID_QUEUE_IDENTIFIER),
        id => Ok(id),
    }
}

fn delete_completion(context: &Context<'_>) -> Result<Reply, Status> {
    let id = queue_id(context)?;
    Ok(Reply::Queue(QueueCommand::DeleteCompletion { id }))
}

fn delete_submission(context: &Context<'_>) -> Result<Reply, Status> {
    let id = queue_id(context)?;
    Ok(Reply::Queue(QueueCommand::DeleteSubmission { id }))
}

fn abort(context: &Context<'_>) -> Result<Reply, Status> {
    let entry = context.entry;
    Ok(Reply::Queue(QueueCommand::Abort {
        queue: entry.bits(10, 15, 0) as u16,
        command: entry.bits(10, 31, 16) as u16,
    }))
}

fn doorbells(context: &Context<'_>) -> Result<Reply, Status> {
    let [shadow, events] = [1, 2].map(|number| context.entry.address(number));
    if shadow % PAGE != 0 || events % PAGE != 0 {
        return Err(Status::INVALID_FIELD);
    }
    Ok(Reply::Queue(QueueCommand::Doorbells { shadow, events }))
}
