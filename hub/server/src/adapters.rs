//! The adapters this hub can run.

use hub_core::AdapterRegistry;

/// Every adapter this hub can run. A new adapter is one new line.
#[must_use]
pub fn adapters() -> AdapterRegistry {
    AdapterRegistry::new()
        .source::<adapter_amqp::AmqpSourceConfig>()
        .sink::<adapter_amqp::AmqpSinkConfig>()
        .source::<adapter_amqp10::Amqp10SourceConfig>()
        .sink::<adapter_amqp10::Amqp10SinkConfig>()
        .source::<adapter_file::FileSourceConfig>()
        .sink::<adapter_file::FileSinkConfig>()
        .source::<adapter_http::HttpSourceConfig>()
        .sink::<adapter_http::HttpSinkConfig>()
        .source::<adapter_mail::MailboxSourceConfig>()
        .sink::<adapter_mail::MailSinkConfig>()
        .source::<adapter_mqtt::MqttSourceConfig>()
        .sink::<adapter_mqtt::MqttSinkConfig>()
        .source::<adapter_oracle::FbdiJobsSourceConfig>()
        .sink::<adapter_oracle::FbdiSinkConfig>()
        .sink::<adapter_oracle::OrdsSinkConfig>()
        .source::<adapter_oracle::TxEventQSourceConfig>()
        .sink::<adapter_oracle::TxEventQSinkConfig>()
        .source::<adapter_sap::SapIdocSourceConfig>()
        .sink::<adapter_sap::SapIdocSinkConfig>()
        .source::<adapter_sap::SapODataSourceConfig>()
        .sink::<adapter_sap::SapODataSinkConfig>()
        .source::<adapter_sftp::SftpSourceConfig>()
        .sink::<adapter_sftp::SftpSinkConfig>()
        .source::<adapter_sms::SmsSourceConfig>()
        .sink::<adapter_sms::SmsSinkConfig>()
        .source::<adapter_sms::SmsHttpSourceConfig>()
        .sink::<adapter_sms::SmsHttpSinkConfig>()
        .source::<adapter_soap::SoapSourceConfig>()
        .sink::<adapter_soap::SoapSinkConfig>()
}
