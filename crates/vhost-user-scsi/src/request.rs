//! What a device does with one chain of a request queue or of the control queue. Knows no ring.

use vm_memory::VolatileSlice;

use crate::chain::{gather, length, scatter, split_front, Chain};
use crate::target::Target;
use crate::wire::{response, task, Control, Request, Response, REQUEST_LEN, RESPONSE_LEN};
use crate::Pause;

/// The most bytes that a quick command moves.
const LITTLE: u64 = 64 << 10;

/// Whether the command in `chain` ends soon: it reads or writes little, and need not reach stable storage.
pub(crate) fn is_quick(chain: &Chain<'_>) -> bool {
    let mut request = [0; REQUEST_LEN];
    gather(&chain.readable, &mut request);
    Request::new(request).is_plain_read_or_write()
        && length(&chain.readable) + length(&chain.writable) <= LITTLE
}

/// Runs the command in `chain` and writes its answer; `header` is scratch space.
///
/// Returns how many bytes of the chain were written, which is 0 if the guest left no room for an answer; `None`
/// if the command is never answered.
pub(crate) fn command<'m>(
    target: &Target,
    chain: &mut Chain<'m>,
    header: &mut Vec<VolatileSlice<'m>>,
    pause: Pause<'_>,
) -> Option<u32> {
    let mut request = [0; REQUEST_LEN];
    let complete = split_front(&mut chain.readable, REQUEST_LEN, header);
    gather(header, &mut request);
    if !split_front(&mut chain.writable, RESPONSE_LEN, header) {
        return Some(0);
    }
    let (out, into) = (&chain.readable[..], &chain.writable[..]);
    let (expected_out, expected_in) = (length(out), length(into));
    let outcome = if complete {
        let request = Request::new(request);
        match target.execute(request.address(), request.cdb(), out, into, pause) {
            Ok(Some(outcome)) => Ok(outcome),
            Ok(None) => return None,
            Err(code) => Err(code),
        }
    } else {
        Err(Response::Failure)
    };
    let (answer, written) = match &outcome {
        Ok(outcome) => {
            let moved = outcome.written.min(expected_in) + outcome.consumed.min(expected_out);
            let residual = (expected_out + expected_in).saturating_sub(moved);
            let code = if outcome.overrun {
                Response::Overrun
            } else {
                Response::Ok
            };
            let completion = &outcome.completion;
            let residual = u32::try_from(residual).unwrap_or(u32::MAX);
            (
                response(code, completion.status as u8, &completion.sense, residual),
                outcome.written.min(expected_in),
            )
        }
        Err(code) => (response(*code, 0, &[], 0), 0),
    };
    scatter(&answer, header);
    Some(u32::try_from(RESPONSE_LEN as u64 + written).unwrap_or(u32::MAX))
}

/// Answers the control request in `chain`. By now no command that the driver sent
/// before it is in flight any more: every task that it could name is over.
///
/// Returns how many bytes of the chain were written.
pub(crate) fn control(target: &Target, chain: &Chain<'_>) -> u32 {
    let mut bytes = [0; Control::MAX_LEN];
    let len = gather(&chain.readable, &mut bytes);
    let written = match Control::parse(&bytes[..len]) {
        Some(Control::Task { function, address }) => {
            let code = match target.unit(address) {
                Ok(unit) => manage(target, unit, function),
                Err(code) => code,
            };
            scatter(&[code as u8], &chain.writable)
        }
        // No event is ever sent: the answer is an empty mask of events (5.6.6.2).
        Some(Control::Notification { address }) => {
            let code = target
                .unit(address)
                .map_or_else(|code| code, |_| Response::Ok);
            scatter(&[0, 0, 0, 0, code as u8], &chain.writable)
        }
        None => scatter(&[Response::Failure as u8], &chain.writable),
    };
    written as u32
}

fn manage(target: &Target, unit: &dyn crate::Lun, function: u32) -> Response {
    match function {
        task::ABORT_TASK | task::ABORT_TASK_SET | task::CLEAR_TASK_SET => Response::Ok,
        // FUNCTION COMPLETE: there is no such task.
        task::QUERY_TASK | task::QUERY_TASK_SET => Response::Ok,
        task::LOGICAL_UNIT_RESET => {
            unit.reset();
            Response::Ok
        }
        task::I_T_NEXUS_RESET => {
            target.units().for_each(crate::Lun::reset);
            Response::Ok
        }
        // CLEAR ACA: commands with NACA are not supported, so there is never one.
        _ => Response::FunctionRejected,
    }
}
