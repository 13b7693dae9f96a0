//! SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS (SPC-5, 6.45 and 6.29).

use crate::answer::{Answer, Context, Reply};
use crate::background::{Stopped, Work};
use crate::self_test::Test;
use crate::sense::Sense;

/// The supported diagnostic pages page, which lists itself alone.
const SUPPORTED: [u8; 5] = [0x00, 0, 0, 1, 0x00];

/// SEND DIAGNOSTIC: a self-test is begun or aborted. The default one finds at once that all is well.
pub(crate) fn send(context: &Context<'_>) -> Answer {
    const ABORT_BACKGROUND: u8 = 0b100;
    let code = context.cdb.byte(1) >> 5;
    let default = context.cdb.bit(1, 2);
    let len = context.cdb.be16(3);
    if (code != 0 || default) && len != 0 {
        return Err(Sense::cdb_field(3));
    }
    if default && code != 0 {
        return Err(Sense::cdb_bit(1, 7));
    }
    let test = match code {
        0 if default => return context.state.power.is_ready().and(Reply::GOOD),
        0 => return pages(context, len),
        1 => Test::BackgroundShort,
        2 => Test::BackgroundExtended,
        5 => Test::ForegroundShort,
        6 => Test::ForegroundExtended,
        ABORT_BACKGROUND => return abort(context),
        _ => return Err(Sense::cdb_bit(1, 7)),
    };
    context.state.power.is_ready()?;
    Ok(Reply::SelfTest(test))
}

/// Aborts the self-test that runs.
fn abort(context: &Context<'_>) -> Answer {
    match context.state.background.current() {
        Some(task) if matches!(task.work(), Work::Test(_)) => {
            task.stop(Stopped::Requested);
            Reply::GOOD
        }
        _ => Err(Sense::cdb_bit(1, 7)),
    }
}

/// Diagnostic pages: the one that lists what there is can be sent, to be received.
fn pages(context: &Context<'_>, len: u16) -> Answer {
    match context.parameters(len.into()) {
        Ok(list) if list.is_empty() => Reply::GOOD,
        Ok(list) if list.len() < 4 => Err(Sense::PARAMETER_LIST_LENGTH),
        Ok(list) if list[0] != SUPPORTED[0] => Err(Sense::parameter_field(0)),
        Ok(list) if list[2..4] != [0, 0] => Err(Sense::parameter_field(2)),
        Ok(_) => Reply::GOOD,
        Err(overrun) => Ok(overrun),
    }
}

/// RECEIVE DIAGNOSTIC RESULTS.
pub(crate) fn receive(context: &Context<'_>) -> Answer {
    if context.cdb.bit(1, 0) && context.cdb.byte(2) != SUPPORTED[0] {
        return Err(Sense::cdb_field(2));
    }
    Reply::cut(SUPPORTED.to_vec(), context.cdb.be16(3))
}
