//! LOG SENSE and LOG SELECT (SPC-5, 6.7 and 6.8; pages: SPC-5, 7.3, SBC-4, 6.4 and ZBC-2, 6.3).

use crate::answer::{Answer, Context, Reply, Step};
use crate::counters::Counter;
use crate::sense::Sense;
use crate::unit::saved;

/// A log page: its codes, its parameters, and what LOG SELECT sets back to zero.
struct Page {
    code: u8,
    subpage: u8,
    parameters: fn(&Context<'_>) -> Vec<Parameter>,
    counters: &'static [Counter],
}

/// A log parameter: its code, its control byte, and its value.
struct Parameter {
    code: u16,
    control: u8,
    value: Vec<u8>,
}

/// FORMAT AND LINKING: a counter; a list in binary format.
const COUNTER: u8 = 0b00;
const BINARY_LIST: u8 = 0b11;

const SUBPAGES: u8 = 0xFF;

/// All pages but those that list pages, by code.
const PAGES: &[Page] = &[
    page(
        0x02,
        0,
        write_errors,
        &[Counter::BytesWritten, Counter::WriteErrors],
    ),
    page(
        0x03,
        0,
        read_errors,
        &[Counter::BytesRead, Counter::ReadErrors],
    ),
    page(
        0x05,
        0,
        verify_errors,
        &[Counter::BytesVerified, Counter::VerifyErrors],
    ),
    page(0x06, 0, non_medium_errors, &[Counter::NonMediumErrors]),
    page(0x0D, 0, temperature, &[]),
    page(0x0E, 0, start_stop_cycles, &[]),
    page(0x10, 0, self_test_results, &[]),
    page(
        0x14,
        1,
        zoned_statistics,
        &[
            Counter::FailedExplicitOpens,
            Counter::ReadViolations,
            Counter::WriteViolations,
            Counter::ZonesEmptied,
            Counter::MostOpen,
            Counter::MostExplicitlyOpen,
            Counter::MostImplicitlyOpen,
            Counter::MostUsed,
            Counter::MostNonSequential,
        ],
    ),
    page(0x15, 0, background_scan, &[]),
    page(0x18, 0, port, &[]),
    page(
        0x19,
        0,
        performance,
        &[Counter::ReadCommands, Counter::WriteCommands],
    ),
    page(0x1A, 0, power_transitions, &[]),
    page(0x2F, 0, informational_exceptions, &[]),
];

const fn page(
    code: u8,
    subpage: u8,
    parameters: fn(&Context<'_>) -> Vec<Parameter>,
    counters: &'static [Counter],
) -> Page {
    Page {
        code,
        subpage,
        parameters,
        counters,
    }
}

impl Parameter {
    /// A counter that stops at its maximum.
    fn counter(code: u16, value: u64) -> Parameter {
        Parameter {
            code,
            control: COUNTER,
            value: value.to_be_bytes().to_vec(),
        }
    }

    fn binary(code: u16, value: Vec<u8>) -> Parameter {
        Parameter {
            code,
            control: BINARY_LIST,
            value,
        }
    }
}

/// LOG SENSE: current cumulative values, and default ones, which are zero. There are no thresholds.
pub(crate) fn sense(context: &Context<'_>) -> Answer {
    const CUMULATIVE: u8 = 0b01;
    const DEFAULT_CUMULATIVE: u8 = 0b11;
    let save = context.cdb.bit(1, 0);
    let control = context.cdb.byte(2) >> 6;
    let (code, subpage) = (context.cdb.byte(2) & 0x3F, context.cdb.byte(3));
    let pointer = context.cdb.be16(5);
    if !matches!(control, CUMULATIVE | DEFAULT_CUMULATIVE) {
        return Err(Sense::cdb_bit(2, 7));
    }
    if save {
        return Err(Sense::cdb_bit(1, 0));
    }
    let body = match (code, subpage) {
        (0x00, 0) => codes()
            .filter(|page| page.1 == 0)
            .map(|page| page.0)
            .collect(),
        (_, SUBPAGES) => {
            let listed = codes().filter(|page| code == 0x00 || page.0 == code);
            listed.flat_map(|page| [page.0, page.1]).collect()
        }
        _ => {
            let mut found = PAGES.iter().filter(|page| page.code == code).peekable();
            found.peek().ok_or(Sense::cdb_bit(2, 5))?;
            let page = found.find(|page| page.subpage == subpage);
            let mut parameters = (page.ok_or(Sense::cdb_field(3))?.parameters)(context);
            if parameters.last().is_none_or(|last| last.code < pointer) {
                return Err(Sense::cdb_field(5));
            }
            parameters.retain(|parameter| parameter.code >= pointer);
            encode(parameters, control == DEFAULT_CUMULATIVE)
        }
    };
    if body.is_empty() {
        return Err(Sense::cdb_bit(2, 5));
    }
    const SUBPAGE_FORMAT: u8 = 0x40;
    let format = if subpage == 0 { 0 } else { SUBPAGE_FORMAT };
    let mut data = vec![code | format, subpage];
    data.extend((body.len() as u16).to_be_bytes());
    data.extend(body);
    Reply::cut(data, context.cdb.be16(7))
}

/// Page code and subpage code of each page, those that list pages first.
fn codes() -> impl Iterator<Item = (u8, u8)> {
    let lists = [(0x00, 0), (0x00, SUBPAGES)];
    lists
        .into_iter()
        .chain(PAGES.iter().map(|page| (page.code, page.subpage)))
}

fn encode(parameters: Vec<Parameter>, zero: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Parameter {
        code,
        control,
        value,
    } in parameters
    {
        bytes.extend(code.to_be_bytes());
        bytes.extend([control, value.len() as u8]);
        match control {
            COUNTER if zero => bytes.extend(vec![0; value.len()]),
            _ => bytes.extend(value),
        }
    }
    bytes
}

/// LOG SELECT: with PCR, counters are zero again, of one page or of all; with SP, they are kept now. No value can be set.
pub(crate) fn select(context: &Context<'_>) -> Answer {
    let (reset, save) = (context.cdb.bit(1, 1), context.cdb.bit(1, 0));
    let (code, subpage) = (context.cdb.byte(2) & 0x3F, context.cdb.byte(3));
    if context.cdb.be16(7) != 0 {
        return Err(Sense::cdb_field(7));
    }
    let all = (code, subpage) == (0, 0);
    let matching = |page: &&Page| all || (page.code, page.subpage) == (code, subpage);
    let mut found = PAGES.iter().filter(matching).peekable();
    found.peek().ok_or(Sense::cdb_bit(2, 5))?;
    let counters = context.counters();
    if reset {
        found.for_each(|page| counters.clear(page.counters));
        context.tell_others(Sense::LOG_PARAMETERS_CHANGED);
    }
    if !save {
        return Reply::GOOD;
    }
    Ok(Reply::Series(vec![keep(context)]))
}

/// What has the disk keep the counters.
pub(crate) fn keep(context: &Context<'_>) -> Step {
    Step::Save(saved::COUNTERS, context.counters().to_keep())
}

fn write_errors(context: &Context<'_>) -> Vec<Parameter> {
    errors(context, Counter::BytesWritten, Counter::WriteErrors)
}

fn read_errors(context: &Context<'_>) -> Vec<Parameter> {
    errors(context, Counter::BytesRead, Counter::ReadErrors)
}

fn verify_errors(context: &Context<'_>) -> Vec<Parameter> {
    errors(context, Counter::BytesVerified, Counter::VerifyErrors)
}

/// Error counter log pages: nothing is ever corrected (0 to 4); bytes processed (5), uncorrected errors (6).
fn errors(context: &Context<'_>, bytes: Counter, uncorrected: Counter) -> Vec<Parameter> {
    let counters = &context.state.counters;
    let mut parameters: Vec<_> = (0..5).map(|code| Parameter::counter(code, 0)).collect();
    parameters.push(Parameter::counter(5, counters.get(bytes)));
    parameters.push(Parameter::counter(6, counters.get(uncorrected)));
    parameters
}

fn non_medium_errors(context: &Context<'_>) -> Vec<Parameter> {
    let errors = context.state.counters.get(Counter::NonMediumErrors);
    vec![Parameter::counter(0, errors)]
}

/// A temperature that is not known.
const UNKNOWN_TEMPERATURE: u8 = 0xFF;

/// There is nothing here that could be warm.
fn temperature(_: &Context<'_>) -> Vec<Parameter> {
    vec![Parameter::binary(0, vec![0, UNKNOWN_TEMPERATURE])]
}

/// How many cycles there may be, and how many there were.
fn start_stop_cycles(context: &Context<'_>) -> Vec<Parameter> {
    const SPECIFIED: u32 = 50_000;
    let starts = context.state.counters.get(Counter::Starts);
    let starts = u32::try_from(starts).unwrap_or(u32::MAX);
    vec![
        Parameter::binary(3, SPECIFIED.to_be_bytes().to_vec()),
        Parameter::binary(4, starts.to_be_bytes().to_vec()),
    ]
}

/// The newest first.
fn self_test_results(context: &Context<'_>) -> Vec<Parameter> {
    let state = context.state;
    let results = state.self_tests.results(&state.background);
    let numbered = (1..).zip(results);
    numbered
        .map(|(code, result)| Parameter::binary(code, result.to_vec()))
        .collect()
}

/// The most and the fewest there were at one time, and what happened (ZBC-2, 6.3). What is optimal is of no count here, and
/// zones with NON_SEQ there are on a host-aware disk only.
fn zoned_statistics(context: &Context<'_>) -> Vec<Parameter> {
    let (geometry, counters) = (context.geometry, context.counters());
    let all = u64::from(geometry.zones() - geometry.conventional_zones);
    let get = |counter| counters.get(counter);
    let non_sequential = geometry.writes_anywhere();
    [
        Some((0, get(Counter::MostOpen))),
        Some((1, get(Counter::MostExplicitlyOpen))),
        Some((2, get(Counter::MostImplicitlyOpen))),
        Some((3, all.saturating_sub(get(Counter::MostUsed)))),
        non_sequential.then(|| (4, get(Counter::MostNonSequential))),
        Some((5, get(Counter::ZonesEmptied))),
        Some((8, get(Counter::FailedExplicitOpens))),
        Some((9, get(Counter::ReadViolations))),
        Some((10, get(Counter::WriteViolations))),
    ]
    .into_iter()
    .flatten()
    .map(|(code, value)| Parameter::counter(code, value))
    .collect()
}

/// Commands and blocks (SPC-5, 7.3.10). How long they took, and how long there was nothing to do, is not measured: those
/// intervals are zero.
fn performance(context: &Context<'_>) -> Vec<Parameter> {
    let counters = &context.state.counters;
    let blocks = |of| counters.bytes_of_commands(of) / u64::from(context.geometry.block_size);
    let mut access = [0; 64];
    for (at, value) in [
        counters.get(Counter::ReadCommands),
        counters.get(Counter::WriteCommands),
        blocks(Counter::WriteCommands),
        blocks(Counter::ReadCommands),
    ]
    .into_iter()
    .enumerate()
    {
        access[8 * at..8 * at + 8].copy_from_slice(&value.to_be_bytes());
    }
    vec![
        Parameter::binary(1, access.to_vec()),
        Parameter::binary(2, vec![0; 8]),
        Parameter::binary(3, vec![0; 8]),
    ]
}

/// How often the power condition changed to each (SPC-5, 7.3.12).
fn power_transitions(context: &Context<'_>) -> Vec<Parameter> {
    let counters = &context.state.counters;
    [
        (1, Counter::ToActive),
        (2, Counter::ToIdleA),
        (3, Counter::ToIdleB),
        (4, Counter::ToIdleC),
        (8, Counter::ToStandbyZ),
        (9, Counter::ToStandbyY),
    ]
    .map(|(code, counter)| {
        let count = u32::try_from(counters.get(counter)).unwrap_or(u32::MAX);
        Parameter::binary(code, count.to_be_bytes().to_vec())
    })
    .into()
}

/// The port and its phy, as those of a SAS drive with one (SPL-4, 9.2.8.1), where nothing ever went wrong. There are no
/// phy events.
fn port(context: &Context<'_>) -> Vec<Parameter> {
    const SAS: u8 = 0x6;
    const PHYS: u8 = 1;
    const PHY_LEN: u8 = 48;
    const END_DEVICE: u8 = 0x10;
    const GBPS_12: u8 = 0x0B;
    const SSP: u8 = 0x08;
    const INITIATOR: u64 = 0x3000_0000_0000_0000;
    let mut phy = [0; 52];
    phy[3] = PHY_LEN;
    phy[4] = END_DEVICE;
    phy[5] = GBPS_12;
    phy[6] = SSP;
    phy[8..16].copy_from_slice(&(context.identity.wwn ^ 1).to_be_bytes());
    phy[16..24].copy_from_slice(&INITIATOR.to_be_bytes());
    let value = [&[SAS, 0, 0, PHYS][..], &phy].concat();
    vec![Parameter::binary(1, value)]
}

/// For how many minutes the power was on; no scan is made.
fn background_scan(context: &Context<'_>) -> Vec<Parameter> {
    let minutes = context.state.counters.get(Counter::SecondsOn) / 60;
    let mut status = (minutes as u32).to_be_bytes().to_vec();
    status.resize(12, 0);
    vec![Parameter::binary(0, status)]
}

/// What REQUEST SENSE says of a predicted failure, and the temperature.
fn informational_exceptions(context: &Context<'_>) -> Vec<Parameter> {
    let [code, qualifier] = match context.state.modes.predicts_failure() {
        true => Sense::FAILURE_PREDICTION_FALSE.code(),
        false => Sense::NONE.code(),
    };
    vec![Parameter::binary(
        0,
        vec![code, qualifier, UNKNOWN_TEMPERATURE, UNKNOWN_TEMPERATURE],
    )]
}
