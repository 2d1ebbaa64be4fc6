//! Queues, exchanges and bindings: made, or only looked for.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, ExchangeKind};

use crate::config::{
    AmqpSinkConfig, AmqpSourceConfig, ExchangeType, QueueType, SourceBinding, Topology,
};
use crate::link::{Link, within};

/// Whether a queue is there.
///
/// # Errors
/// It is not, or must not be seen, in the broker's words.
pub(crate) async fn check_queue(
    link: &Link,
    queue: &str,
    patience: Duration,
) -> Result<(), String> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    declare_queue(link, queue, options, FieldTable::default(), patience).await
}

/// Whether an exchange is there. The default exchange always is.
///
/// # Errors
/// It is not, or must not be seen, in the broker's words.
pub(crate) async fn check_exchange(
    link: &Link,
    exchange: &str,
    patience: Duration,
) -> Result<(), String> {
    let options = ExchangeDeclareOptions {
        passive: true,
        ..ExchangeDeclareOptions::default()
    };
    declare_exchange(link, exchange, ExchangeKind::Direct, options, patience).await
}

/// Makes the queue of a source and its bindings, and looks for its dead-letter exchange.
///
/// # Errors
/// What cannot be made, or is there with other properties, in the broker's words.
pub(crate) async fn declare_for_source(
    link: &Link,
    config: &AmqpSourceConfig,
) -> Result<(), String> {
    let patience = Duration::from_secs(config.answer_timeout_seconds);
    let mut arguments = queue_arguments(config.queue_type);
    if let Some(exchange) = &config.dead_letter_exchange {
        check_exchange(link, exchange, patience).await?;
        // For what the broker itself gives up: expired, or delivered too often.
        let key = config.dead_letter_routing_key.as_ref();
        put(&mut arguments, "x-dead-letter-exchange", exchange);
        let key = key.unwrap_or(&config.queue);
        put(&mut arguments, "x-dead-letter-routing-key", key);
    }
    declare_queue(link, &config.queue, durable_queue(), arguments, patience).await?;
    for SourceBinding {
        exchange,
        routing_key,
    } in &config.bindings
    {
        bind(link, &config.queue, exchange, routing_key, patience).await?;
    }
    Ok(())
}

/// Makes the exchange, queues and bindings of a sink, or looks whether they are there.
///
/// # Errors
/// What is missing, or cannot be made, in the broker's words.
pub(crate) async fn prepare_for_sink(link: &Link, config: &AmqpSinkConfig) -> Result<(), String> {
    let patience = Duration::from_secs(config.confirm_timeout_seconds);
    if config.topology == Topology::Check {
        check_exchange(link, &config.exchange, patience).await?;
        for queue in &config.queues {
            check_queue(link, &queue.queue, patience).await?;
        }
        return Ok(());
    }
    let kind = exchange_kind(config.exchange_type);
    declare_exchange(link, &config.exchange, kind, durable_exchange(), patience).await?;
    for queue in &config.queues {
        let arguments = queue_arguments(queue.queue_type);
        declare_queue(link, &queue.queue, durable_queue(), arguments, patience).await?;
        if !config.exchange.is_empty() {
            bind(
                link,
                &queue.queue,
                &config.exchange,
                &queue.routing_key,
                patience,
            )
            .await?;
        }
    }
    Ok(())
}

/// A name as the protocol has it; the library's own conversion panics when it is too long.
pub(crate) fn short(name: &str) -> Result<ShortString, String> {
    ShortString::try_new(name).map_err(|e| format!("`{name}` is too long a name: {e}"))
}

const fn durable_queue() -> QueueDeclareOptions {
    QueueDeclareOptions {
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
    }
}

const fn durable_exchange() -> ExchangeDeclareOptions {
    ExchangeDeclareOptions {
        passive: false,
        durable: true,
        auto_delete: false,
        internal: false,
        nowait: false,
    }
}

fn queue_arguments(kind: QueueType) -> FieldTable {
    let mut arguments = FieldTable::default();
    put(&mut arguments, "x-queue-type", kind.as_str());
    arguments
}

fn put(arguments: &mut FieldTable, name: &'static str, value: &str) {
    arguments.insert(name.into(), AMQPValue::LongString(LongString::from(value)));
}

fn exchange_kind(kind: ExchangeType) -> ExchangeKind {
    match kind {
        ExchangeType::Topic => ExchangeKind::Topic,
        ExchangeType::Direct => ExchangeKind::Direct,
        ExchangeType::Fanout => ExchangeKind::Fanout,
        ExchangeType::Headers => ExchangeKind::Headers,
    }
}

/// A channel of its own for each step: the broker closes the channel of one that fails.
async fn channel(link: &Link, patience: Duration) -> Result<Channel, String> {
    link.channel(patience).await
}

async fn declare_queue(
    link: &Link,
    queue: &str,
    options: QueueDeclareOptions,
    arguments: FieldTable,
    patience: Duration,
) -> Result<(), String> {
    let channel = channel(link, patience).await?;
    let declared = channel.queue_declare(short(queue)?, options, arguments);
    within(patience, &format!("queue `{queue}`"), declared).await?;
    Ok(())
}

async fn declare_exchange(
    link: &Link,
    exchange: &str,
    kind: ExchangeKind,
    options: ExchangeDeclareOptions,
    patience: Duration,
) -> Result<(), String> {
    if exchange.is_empty() {
        return Ok(());
    }
    let channel = channel(link, patience).await?;
    let name = short(exchange)?;
    let declared = channel.exchange_declare(name, kind, options, FieldTable::default());
    within(patience, &format!("exchange `{exchange}`"), declared).await
}

async fn bind(
    link: &Link,
    queue: &str,
    exchange: &str,
    routing_key: &str,
    patience: Duration,
) -> Result<(), String> {
    let channel = channel(link, patience).await?;
    let bound = channel.queue_bind(
        short(queue)?,
        short(exchange)?,
        short(routing_key)?,
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    let what = format!("binding of queue `{queue}` to exchange `{exchange}`");
    within(patience, &what, bound).await
}
